"""``wenliu history``."""

from __future__ import annotations

import click

from wenliu.project import find_project


@click.command()
@click.option("--env", help="Problem; default: the bundled one.")
@click.option("--json", "as_data", is_flag=True, help="The records of all nights, oldest first.")
@click.option("--open", "open_page", is_flag=True, help="Write the page anew and open it.")
def history(env: str | None, as_data: bool, open_page: bool) -> None:
    """What happened in all nights."""
    from wenliu.console import user_errors

    with user_errors():
        import json
        from dataclasses import asdict

        from wenliu import nights
        from wenliu.environments import problem_of
        from wenliu.night_status import history_lines
        from wenliu.nights_page import PAGE, write_history

        project = find_project()
        problem = problem_of(project, env)
        records = nights.read(project, problem)
        if as_data:
            click.echo(
                json.dumps([asdict(night) for night in records], ensure_ascii=False, indent=1)
            )
        elif open_page:
            click.launch(str(write_history(project, problem)))
        elif records:
            click.echo("\n".join(history_lines(records)))
            click.echo(f"\nThe same with charts: {nights.reports(project, problem) / PAGE}")
        else:
            click.echo(f"No night of {problem} has run yet.")
