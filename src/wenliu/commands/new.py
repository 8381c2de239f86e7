"""``wenliu new``."""

from __future__ import annotations

from pathlib import Path

import click

from wenliu.project import find_project


@click.command()
@click.argument("name")
@click.option(
    "--from", "sources", multiple=True, required=True, type=click.Path(path_type=Path),
    help="A labelled file; give it again for more files.",
)  # fmt: skip
@click.option("--text", help="Column of the text, if the guess is wrong.")
@click.option("--label", help="Column of the label, if the guess is wrong.")
@click.option("--sheet", help="Of a workbook: name or position from 0, if the guess is wrong.")
@click.option("--force", is_flag=True, help="Replace conf/NAME if it is there.")
def new(
    name: str,
    sources: tuple[Path, ...],
    text: str | None,
    label: str | None,
    sheet: str | None,
    force: bool,
) -> None:
    """Make a problem from your own labelled file; then: kedro run --env NAME."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu.new_problem import create

        told = create(
            name, list(sources), project, text=text, label=label, sheet=sheet, force=force
        )
        click.echo(told)
