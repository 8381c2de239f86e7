"""``wenliu simulate``."""

from __future__ import annotations

from pathlib import Path

import click

from wenliu.project import find_project


@click.command()
@click.option("--nights", "count", type=click.IntRange(min=1), default=30, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path),
    help="Where the nights take place; new or empty. Default: a temporary one.",
)  # fmt: skip
@click.option("--seed", type=int, default=0, show_default=True, help="Of texts and moments.")
@click.option("--keep", is_flag=True, help="Keep the data and models of the nights too.")
def simulate(count: int, folder: Path | None, seed: int, keep: bool) -> None:
    """Thirty nights in some ten minutes: real runs, with everything that can go wrong.

    Each night is a `kedro run --pipelines nightly` in a process of its own, in a project of its
    own. Exit code 1: something did not go as it must.
    """
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        import tempfile

        from wenliu.simulate import simulation
        from wenliu.simulate.table import table

        place = (folder or Path(tempfile.mkdtemp(prefix="wenliu-nights-"))).resolve()
        click.echo(f"{count} nights in {place}", err=True)
        told = simulation.simulate(project, place, count, seed)
        if not keep:
            simulation.forget_data(place)
        click.echo("\n".join(table(told)))
        click.echo(f"\nResults: {place / simulation.RESULT}")
        click.echo(f"History: {simulation.history_of(place)}")
        click.echo(f"Logs:    {place / simulation.PROJECT / 'logs'}")
    raise SystemExit(any(night["broken"] for night in told))
