"""``wenliu predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from wenliu.project import find_project


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="File to write; the suffix decides."
)
@click.option("--text", help="One text instead of a file.")
@click.option("--column", help="Column of the text in FILE, if the guess is wrong.")
@click.option("--sheet", help="Of a workbook: name or position from 0, if the guess is wrong.")
@click.option("--env", help="Problem; default: the bundled one.")
@click.option(
    "--bundle", help="Folder or version of a bundle; default: the champion, else the newest."
)
@click.option(
    "--engine", type=click.Choice(["auto", "onnxruntime", "openvino"]), default="auto",
    help="What computes; auto: OpenVINO for a file where it is installed.",
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(["auto", "fp32", "bf16", "int8"]), default="auto",
    help="auto: what export chose.",
)  # fmt: skip
def predict(
    file: Path | None,
    output: Path | None,
    text: str | None,
    column: str | None,
    sheet: str | None,
    env: str | None,
    bundle: str | None,
    engine: Literal["auto", "onnxruntime", "openvino"],
    precision: Literal["auto", "fp32", "bf16", "int8"],
) -> None:
    """Label a FILE, or one --text."""
    from wenliu.console import LOG_FILE, user_errors

    with user_errors():
        project = find_project()
    with user_errors(project / LOG_FILE):
        from wenliu.predict_command import run

        run(
            file=file,
            output=output,
            text=text,
            column=column,
            sheet=sheet,
            env=env,
            bundle=bundle,
            project=project,
            engine=engine,
            precision=precision,
        )
