"""``wenliu inbox``."""

from __future__ import annotations

from pathlib import Path

import click

from wenliu.project import find_project

_ENV = click.option("--env", help="Problem; default: the bundled one.")


@click.group(invoke_without_command=True)
@_ENV
@click.pass_context
def inbox(context: click.Context, env: str | None) -> None:
    """What lies in the inbox, and what became of it."""
    from wenliu.console import user_errors

    with user_errors():
        context.obj = _problem(env)
        if context.invoked_subcommand is None:
            from wenliu.intake.desk import describe

            click.echo(describe(*context.obj))


@inbox.command()
@click.argument("file")
@click.option("--reason", default="", help="Why; stands in the report.")
@_ENV
@click.pass_obj
def reject(parent: tuple[Path, str], file: str, reason: str, env: str | None) -> None:
    """Take an accepted FILE out again; it stays in quarantine."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project, problem = _problem(env) if env else parent
    with user_errors(project / LOG_FILE):
        from wenliu.intake.desk import reject as do_reject
        from wenliu.lock import problem_lock

        with problem_lock(project, problem, what="wenliu inbox reject"):
            target = do_reject(project, problem, file, reason)
        click.echo(f"No run reads it any more; it lies in {target.relative_to(project)}.")


@inbox.command()
@click.argument("file")
@click.option("--reason", required=True, help="Why it may differ from older files; it is noted.")
@_ENV
@click.pass_obj
def accept(parent: tuple[Path, str], file: str, reason: str, env: str | None) -> None:
    """Keep a FILE as it is, though the guard or drift has stopped a night because of it."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project, problem = _problem(env) if env else parent
    with user_errors(project / LOG_FILE):
        from wenliu.intake.desk import accept as do_accept
        from wenliu.lock import problem_lock

        with problem_lock(project, problem, what="wenliu inbox accept"):
            name = do_accept(project, problem, file, reason)
        click.echo(f"{name} stops no night any more; the next one trains on its rows.")


@inbox.command()
@click.argument("file")
@_ENV
@click.pass_obj
def retry(parent: tuple[Path, str], file: str, env: str | None) -> None:
    """Put a FILE from quarantine back into the inbox."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project, problem = _problem(env) if env else parent
    with user_errors(project / LOG_FILE):
        from wenliu.intake.desk import retry as do_retry
        from wenliu.lock import problem_lock

        with problem_lock(project, problem, what="wenliu inbox retry"):
            target = do_retry(project, problem, file)
        click.echo(f"The next nightly run reads {target.relative_to(project)}.")


def _problem(env: str | None) -> tuple[Path, str]:
    from wenliu.environments import problem_of

    project = find_project()
    return project, problem_of(project, env)
