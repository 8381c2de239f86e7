"""``wenliu freeze``."""

from __future__ import annotations

import click

from wenliu.project import find_project


@click.command()
@click.option("--env", help="Problem; default: the bundled one.")
@click.option("--again", is_flag=True, help="Freeze a frozen problem anew; needs --reason.")
@click.option("--reason", default="", help="Why; it is written into the file.")
def freeze(env: str | None, again: bool, reason: str) -> None:
    """Fix which rows judge models from now on.

    Takes the rows that are test today, and writes hashes of their texts into frozen.yml: half of
    them decide who is promoted, the others decide nothing and show what the first half hides.
    """
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu import freezing
        from wenliu.environments import problem_of
        from wenliu.lock import problem_lock

        with problem_lock(project, problem_of(project, env), "wenliu freeze"):
            click.echo(freezing.freeze(project, env, again=again, reason=reason))
