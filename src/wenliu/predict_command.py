"""``wenliu predict``: a file, or one text, through the exported bundle.

Imports no torch, transformers, kedro, mlflow or pandas, so that the first answer takes about a
second from any directory.
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wenliu.errors import UserError

if TYPE_CHECKING:
    from wenliu.serving.bundle import Bundle
    from wenliu.serving.precisions import EngineName, Precision

#: Labels shown for one text.
TOP = 3
#: Files that are compared with a name that does not exist.
_NEIGHBOURS = 5_000


def run(
    file: Path | None = None,
    output: Path | None = None,
    text: str | None = None,
    env: str | None = None,
    bundle: str | None = None,
    project: Path | None = None,
    column: str | None = None,
    sheet: str | None = None,
    engine: EngineName | Literal["auto"] = "auto",
    precision: Precision | Literal["auto"] = "auto",
) -> None:
    """Predicts and prints; which bundle it used goes to stderr.

    Args:
        file: Any file that ingestion reads.
        output: ``.csv``, ``.tsv``, ``.jsonl``, ``.parquet`` or ``.xlsx``; default: beside ``file``.
        text: One text, instead of a file.
        env: The problem's Kedro environment; default: ``KEDRO_ENV``, else the bundled problem.
        bundle: A bundle's folder or version; default: the champion, else the newest verified one.
        project: Its root; default: found.
        column: The file's column of texts; default: found.
        sheet: Name or position of a workbook's sheet; default: the first with texts.
        engine: Default: OpenVINO where it is installed, for one text too: onnxruntime would be
            ready 0.3 s earlier (bert-base: 0.8 s), but say another probability than for the file.
        precision: Default: what export chose for the engine.

    Raises:
        UserError: When input, bundle or environment cannot be used.
    """
    from wenliu.environments import NOT_PROBLEMS, environment, problem_of
    from wenliu.project import find_project
    from wenliu.serving.loading import load_bundle

    if (file is None) == (text is None):
        raise UserError(
            "Give a file or --text, one of the two.",
            remedy='wenliu predict FILE -o OUT, or: wenliu predict --text "快递三天了还没到"',
        )
    if text is not None and sheet is not None:
        raise UserError("One text has no sheet.", remedy="leave out --sheet, or give a file")
    if text is not None and not text.strip():
        raise _no_text(text)
    if file is not None and not file.is_file():
        raise _no_file(file)
    project = project or find_project()
    env = environment(env)
    train = "kedro run" if env in NOT_PROBLEMS else f"kedro run --env {env}"
    loaded, which = load_bundle(
        project, problem_of(project, env), bundle, train=train, engine=engine, precision=precision
    )
    print(f"Bundle: {which} ({loaded.identity})", file=sys.stderr)
    if text is not None:
        _print_answer(loaded, text)
        return
    assert file is not None
    from wenliu.serving.batch import default_target, describe, predict_file

    target = output or default_target(file)
    report = predict_file(loaded, file, target, text_column=column, sheet=sheet)
    print(describe(report), file=sys.stderr)


def _no_text(text: str) -> UserError:
    left = ", of which cleaning leaves nothing" if text.strip() else ""
    return UserError(
        "There is no text.",
        where=f"--text {text[:60]!r}{left}",
        remedy='give one with words in it: wenliu predict --text "快递三天了还没到"',
    )


def _no_file(file: Path) -> UserError:
    """What is there instead: a folder, no such folder, or a file of nearly the same name."""
    if file.is_dir():
        return UserError(
            "This is a folder, no file.", where=str(file), remedy="give one of the files in it"
        )
    if not file.parent.is_dir():
        return UserError(
            "There is no such file, nor its folder.",
            where=str(file),
            remedy=f"check the path; a relative one starts at the current directory, {Path.cwd()}",
        )
    remedy = f"check the name; a relative path starts at the current directory, {Path.cwd()}"
    if similar := _similar(file):
        remedy = f"there is {str(file.with_name(similar))!r}; give that if it is meant"
    return UserError("There is no such file.", where=str(file), remedy=remedy)


def _similar(file: Path) -> str | None:
    """The name of the file's folder that is most like its own."""
    import difflib

    try:
        paths = islice(file.parent.iterdir(), _NEIGHBOURS)
        names = {path.name.casefold(): path.name for path in paths if path.is_file()}
    except OSError:
        return None
    close = difflib.get_close_matches(file.name.casefold(), names, n=1)
    return names[close[0]] if close else None


def _print_answer(bundle: Bundle, text: str) -> None:
    [cleaned] = bundle.clean([text])
    if not cleaned.strip():
        raise _no_text(text)
    [prediction] = bundle.predict_clean([cleaned])
    ranked = sorted(zip(prediction.probabilities, bundle.labels, strict=True), reverse=True)
    for probability, label in ranked[:TOP]:
        print(f"{probability:7.2%}  {label}")
