"""``wenliu rollback``."""

from __future__ import annotations

import click

from wenliu.project import find_project


@click.command()
@click.option(
    "--to", type=click.IntRange(min=1), metavar="VERSION", help="Default: the champion before."
)
@click.option("--reason", default="", help="Why, in a sentence: it is recorded.")
@click.option("--env", help="Problem; default: the bundled one.")
@click.option(
    "--wait", type=click.FloatRange(min=0), default=0.0, metavar="SECONDS",
    help="Queue behind a run that is going on.",
)  # fmt: skip
def rollback(to: int | None, reason: str, env: str | None, wait: float) -> None:
    """Go back to the champion before; the present one does not come back by itself."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu.environments import problem_of
        from wenliu.promotion_by_hand import roll_back

        click.echo(roll_back(project, problem_of(project, env), to, reason, wait))
