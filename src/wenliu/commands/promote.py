"""``wenliu promote``."""

from __future__ import annotations

import click

from wenliu.project import find_project


@click.command()
@click.argument("version", type=click.IntRange(min=1))
@click.option("--reason", required=True, help="Why, in a sentence: it is recorded.")
@click.option("--env", help="Problem; default: the bundled one.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
    help="Queue behind a run that is going on.",
)  # fmt: skip
def promote(version: int, reason: str, env: str | None, wait: float) -> None:
    """Make a registered VERSION the champion, whatever the gate says."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu.environments import problem_of
        from wenliu.promotion_by_hand import promote_by_hand

        click.echo(promote_by_hand(project, problem_of(project, env), version, reason, wait))
