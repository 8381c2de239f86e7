"""``wenliu labels``."""

from __future__ import annotations

import click

from wenliu.project import find_project

_ENV = click.option("--env", help="Problem; default: the bundled one.")


@click.group(invoke_without_command=True)
@_ENV
@click.pass_context
def labels(context: click.Context, env: str | None) -> None:
    """The labels of a problem, in the order of their ids."""
    from wenliu.console import user_errors

    context.obj = env
    if context.invoked_subcommand is None:
        with user_errors():
            from wenliu.environments import problem_of
            from wenliu.label_growth import describe_labels

            project = find_project()
            click.echo(describe_labels(project, problem_of(project, env)))


@labels.command()
@click.argument("name")
@click.option("--reason", default="", help="Why; stands in the configuration.")
@_ENV
@click.pass_obj
def add(parent_env: str | None, name: str, reason: str, env: str | None) -> None:
    """Add a label NAME: it gets the next id, the champion's head a new row."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu.environments import problem_of
        from wenliu.label_growth import add_label
        from wenliu.lock import problem_lock

        env = env or parent_env
        with problem_lock(project, problem_of(project, env), what="wenliu labels add"):
            click.echo(add_label(project, env, name, reason))
