"""``wenliu schedule``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wenliu.project import find_project

if TYPE_CHECKING:
    from wenliu.schedule import Schedule

_env = click.option("--env", help="Problem; default: the bundled one.")
_at = click.option("--at", required=True, metavar="HH:MM", help="Time of the day, in UTC.")
_system = click.option("--system", is_flag=True, help="For the whole machine; needs root.")


@click.group()
def schedule() -> None:
    """Run every night."""


@schedule.command()
@_at
@_env
@_system
@click.option(
    "--print", "shown", is_flag=False, flag_value="systemd", type=click.Choice(["systemd", "cron"]),
    help="Print the units, or lines for cron, instead of installing anything.",
)  # fmt: skip
def install(at: str, env: str | None, system: bool, shown: str | None) -> None:
    """Write, check and start a systemd timer."""

    def told(chosen: Schedule) -> str:
        from wenliu import schedule as work

        if shown == "cron":
            return work.cron_lines(chosen)
        if shown == "systemd":
            units = work.systemd_units(chosen, system=system).items()
            return "\n".join(f"# --- {name}\n{content}" for name, content in units)
        return work.install(chosen, system=system)

    _tell(env, at, told)


@schedule.command()
@_env
@_system
def remove(env: str | None, system: bool) -> None:
    """Stop the systemd timer and delete it."""

    def told(chosen: Schedule) -> str:
        from wenliu import schedule as work

        return work.remove(chosen, system=system)

    _tell(env, "00:00", told)


@schedule.command()
@_at
@_env
@click.option("-o", "--output", type=click.Path(path_type=Path), help="File to write.")
def airflow(at: str, env: str | None, output: Path | None) -> None:
    """Print or write a DAG for Airflow 3."""

    def told(chosen: Schedule) -> str:
        from wenliu import schedule as work

        dag = work.airflow_dag(chosen)
        if output is None:
            return dag
        output.write_text(dag, "utf-8")
        return f"wrote {output}"

    _tell(env, at, told)


def _tell(env: str | None, at: str, work: Callable[[Schedule], str]) -> None:
    from wenliu.console import user_errors

    with user_errors():
        from wenliu.environments import problem_of
        from wenliu.schedule import Schedule

        project = find_project().resolve()
        click.echo(work(Schedule(project, problem_of(project, env), env, at)).rstrip())
