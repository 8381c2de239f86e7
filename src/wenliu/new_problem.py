"""A problem from somebody's own file: look at it, decide, write ten lines of configuration."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wenliu.display import shorten
from wenliu.environments import BASE, GLOBALS, NOT_PROBLEMS, problem_name
from wenliu.errors import UserError
from wenliu.inbox import Folders
from wenliu.pipelines.ingestion.labels import LabelReader, read_label_names
from wenliu.pipelines.ingestion.splits import splits_of_files
from wenliu.problem_files import look_at, sheet_of_all
from wenliu.problem_summary import Problem, describe
from wenliu.project import command
from wenliu.readers import ROLES, Sniffed
from wenliu.readers.guessing import MAX_LABELS

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NAMES_FILE = re.compile(r"(class(es)?|labels?|label_names|names|类别|标签)", re.IGNORECASE)
_DATA_SUFFIXES = {".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".xlsx", ".parquet", ".gz"}


def create(
    name: str,
    sources: Sequence[Path],
    project: Path,
    text: str | None = None,
    label: str | None = None,
    sheet: str | None = None,
    force: bool = False,
) -> str:
    """Writes ``conf/<name>/`` for labelled files that stay where they are.

    Args:
        name: Of the problem, which is its Kedro environment.
        sources: Files, folders or globs. Among several files, one called ``class.txt`` or so with
            a single column names integer labels.
        project: Root of the project.
        text: Column of the text, by name or position, if the guess is wrong.
        label: The same for the label.
        sheet: Of a workbook; default: the first one with a column of texts and one of labels.
        force: Whether an existing ``conf/<name>/`` is written over.

    Returns:
        What was found and decided, for the terminal.

    Raises:
        UserError: The name is taken or impossible, a file is missing or cannot be read, there is
            no column of texts or of labels, or the labels are too few or too many.
    """
    folder = _new_folder(name, project, force)
    files = _files(sources)
    names_file = _names_file(files)
    data = [path for path in files if path != names_file]
    sniffed = [look_at(path, {"text": text, "label": label}, sheet) for path in data]
    splits, _ = splits_of_files([path.name for path in data], {})
    names = read_label_names(files, names_file.name)[0] if names_file else None
    reader = LabelReader(names)
    labels: Counter[str] = Counter()
    without_label = 0
    for found in sniffed:
        for value, count in found.labels:
            label_name, _ = reader.read(value)
            if label_name is None:
                without_label += count
            else:
                labels[label_name] += count
        without_label += found.blank_labels
    problem = Problem(files, names_file, sniffed, labels, without_label, splits)
    _check_labels(problem)
    parameters = _parameters(problem)
    written = {
        "globals.yml": f"problem: {name}\n",
        "catalog.yml": _catalog(files, project, name),
        "parameters/ingestion.yml": parameters,
    }
    for path, content in written.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content, encoding="utf-8")
    inbox = Folders.of(project, name).inbox
    inbox.mkdir(parents=True, exist_ok=True)
    told = describe(name, problem, [folder.relative_to(project) / path for path in written])
    return "\n".join(
        [
            told,
            f"Then:  {command('wenliu')} freeze --env {name}, and each night: "
            f"{command('kedro')} run --pipelines nightly --env {name}",
            f"Later files are dropped into {inbox.relative_to(project).as_posix()}/",
        ]
    )


def _new_folder(name: str, project: Path, force: bool) -> Path:
    if not _NAME.fullmatch(name) or name.lower() in NOT_PROBLEMS:
        raise UserError(
            f"A problem cannot be called {name!r}.",
            where="wenliu new NAME",
            remedy="take a letter, then letters, digits and underscores; not base or local",
        )
    conf = project / "conf"
    folder = conf / name
    # What runs make is kept by the problem's name, whatever its environment is called.
    for path in sorted(conf.glob(f"*/{GLOBALS}")):
        if path.parent != folder and (problem_name(path) or "").lower() == name.lower():
            bundled = path.parent.name == BASE
            raise UserError(
                f"There is a problem {name!r} already" + (", the bundled one." if bundled else "."),
                where=str(path),
                remedy="take another name",
            )
    taken = {path.name.lower() for path in conf.glob("*")}
    if name.lower() in taken and not (force and folder.is_dir()):
        raise UserError(
            f"There is a problem {name!r} already.",
            where=str(folder),
            remedy="take another name, or write over it with --force",
        )
    return folder


def _files(sources: Sequence[Path]) -> list[Path]:
    """Regular files; a link that the user named is followed."""
    found: list[Path] = []
    for source in sources:
        source = source.expanduser()
        if source.is_dir():
            inside = sorted(source.iterdir())
            matching = [
                path
                for path in inside
                if path.is_file()
                and not path.is_symlink()
                and not path.name.startswith(".")
                and path.suffix.lower() in _DATA_SUFFIXES
            ]
        elif source.is_file():
            matching = [source]
        else:
            matching = sorted(path for path in source.parent.glob(source.name) if path.is_file())
        if not matching:
            raise UserError(
                f"There is no file {source.name}."
                if not source.is_dir()
                else f"The folder {source.name} holds no data files.",
                where=str(source.absolute()),
                remedy="check the path; csv, tsv, json, jsonl, xlsx and parquet are read",
            )
        found += [path.resolve() for path in matching]
    return list(dict.fromkeys(found))


def _names_file(files: Sequence[Path]) -> Path | None:
    """The file that names integer labels; it only makes sense beside others."""
    folders = {path.parent for path in files}
    for path in files if len(folders) == 1 else ():
        called = _NAMES_FILE.fullmatch(path.name.split(".")[0])
        if called and path.suffix == ".txt" and len(files) > 1:
            lines = path.read_bytes()[:100_000].splitlines()
            if len(lines) <= MAX_LABELS and not any(b"\t" in line for line in lines):
                return path
    return None


def _check_labels(problem: Problem) -> None:
    found = problem.sniffed[0]
    where = f"{found.path}, column {found.roles['label']!r}"
    remedy = f"say which column it is with --label: {', '.join(map(repr, found.columns))}"
    count = len(problem.labels)
    if count < 2:
        only = next(iter(problem.labels), "")
        raise UserError(f"All rows have the label {only!r}.", where=where, remedy=remedy)
    if count > MAX_LABELS:
        some = ", ".join(repr(shorten(label, 16)) for label in list(problem.labels)[:3])
        raise UserError(
            f"The column has {count if count <= 1000 else 'more than 1,000'} different values "
            f"({some}, ...), more than {MAX_LABELS} labels.",
            where=where,
            remedy=remedy,
        )


def _catalog(files: Sequence[Path], project: Path, name: str) -> str:
    root = project.resolve()
    parent = Path(os.path.commonpath([path.parent for path in files]))
    # A project that is moved keeps its own files; others are found where they were.
    shown = parent.relative_to(root) if parent.is_relative_to(root) else parent
    entry: dict[str, Any] = {"type": "wenliu.datasets.RawFiles"}
    if len(files) == 1:
        entry["path"] = (shown / glob.escape(files[0].name)).as_posix()
    else:
        entry["path"] = shown.as_posix()
        entry["files"] = [glob.escape(path.relative_to(parent).as_posix()) for path in files]
    # Files that are dropped into data/01_raw/NAME/inbox join these.
    entry["accepted"] = Folders.of(Path(), name).accepted.as_posix()
    entry["metadata"] = {"kedro-viz": {"layer": "raw"}}
    return _yaml({"raw_files": entry})


def _parameters(problem: Problem) -> str:
    """Pins what another day's rows could make ``auto`` see in another way."""
    values: dict[str, Any] = {}
    options = [found.options for found in problem.sniffed]
    encodings = {each.encoding for each in options if each.format not in ("xlsx", "parquet")}
    if len(encodings) == 1:
        values["encoding"] = encodings.pop()
    quoting = {each.quoting for each in options if each.format in ("csv", "tsv")}
    if len(quoting) == 1:
        values["quoting"] = quoting.pop()
    if (sheet := sheet_of_all(problem.sniffed)) is not None:
        values["sheet"] = sheet
    headers = {each.header for each in options if each.format in ("csv", "tsv", "xlsx")}
    if len(headers) == 1:
        values["header"] = headers.pop()
    columns = {}
    for role in ROLES:
        found = {_column(each, role) for each in problem.sniffed}
        # Columns that are called differently in each file are found in each.
        if len(found) == 1 and (column := found.pop()) is not None:
            columns[role] = column
    values["columns"] = columns
    if problem.names_file:
        values["label_names"] = problem.names_file.name
    if problem.splits:
        values["splits"] = problem.splits
    return _yaml({"ingestion": values})


def _column(found: Sniffed, role: str) -> str | int | None:
    name = found.roles[role]
    if name is None or found.options.header:
        return name
    return found.columns.index(name)


def _yaml(value: Mapping[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(dict(value), allow_unicode=True, sort_keys=False, width=1000)
