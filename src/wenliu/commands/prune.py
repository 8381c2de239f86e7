"""``wenliu prune``."""

from __future__ import annotations

import click

from wenliu.project import find_project


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and delete nothing.")
@click.option("--env", help="Problem; default: the bundled one.")
def prune(dry_run: bool, env: str | None) -> None:
    """Delete versions that nobody needs: all but the named, the last 7 and one a week."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu.environments import problem_of
        from wenliu.nights_page import write_history
        from wenliu.retention import describe
        from wenliu.retention import prune as prune_versions

        problem = problem_of(project, env)
        click.echo(describe(prune_versions(project, problem, dry_run)))
        if not dry_run:
            write_history(project, problem)  # it links to decision pages that may have gone
