"""What column functions made of parts on other nights: new rows are worked on, old ones looked up.

An entry is named by what it was made with (the function's code and settings) and what it was made
from (the digests of the columns that the function reads). So nothing has to be told when it is out
of date: a changed function or a changed part has another name. Entries are written beside and
renamed, their files are linked into the versions, and one that nobody used for two weeks is swept.
``WENLIU_MEMO=off`` does everything anew.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from enum import Enum
from functools import cache
from pathlib import Path, PurePath
from typing import Any

from wenliu import clock
from wenliu.code import code_of
from wenliu.column_files import Format
from wenliu.disk import fsync, sha256_of
from wenliu.errors import UserError
from wenliu.parts import Parts
from wenliu.project import find_project

#: ``off``: nothing is remembered and nothing looked up.
VARIABLE = "WENLIU_MEMO"
#: An entry that nobody used for longer goes.
KEPT_FOR = timedelta(days=14)
_COUNTS = "counts.json"
_DIGITS = 32


@dataclass(frozen=True)
class Kept:
    """What a function made of one part, or of one file.

    Attributes:
        parts: In files of the memory, to be linked.
        counts: Anything that JSON holds.
    """

    parts: Parts
    counts: Any


def identity(function: Any) -> str:
    """Of a function or of an object that is called: its code, settings and the files it names.

    The settings are the fields of a dataclass, without those whose metadata say ``{"memo": False}``
    and which must be in the keys instead. Files are those of ``function.named_files``.
    """
    called = function if inspect.isfunction(function) else type(function)
    settings = {
        field.name: getattr(function, field.name)
        for field in (() if called is function else fields(function))
        if field.metadata.get("memo", True)
    }
    return key_of(
        f"{called.__module__}.{called.__qualname__}",
        code_of(called),
        settings,
        [sha256_of(path) for path in getattr(function, "named_files", ())],
    )


def key_of(*values: Any) -> str:
    """Hash of values that are equal if and only if they look equal: no arrays, no sets.

    Raises:
        TypeError: There is another type among them, however deep.
    """
    text = json.dumps(_plain(values), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def recall(identity: str, key: str) -> Kept | None:
    """The entry, or None where there is none or it is damaged."""
    place = _open_place()
    if place is None:
        return None
    folder = place / identity / key
    try:
        check, _, text = (folder / _COUNTS).read_text("utf-8").partition("\n")
        if check != _check(text):
            return None
        kept = Kept(Parts.open(folder), json.loads(text))
        now = clock.now().timestamp()
        os.utime(folder, (now, now))
    except (OSError, ValueError, KeyError, UserError):
        return None
    return kept if kept.parts.is_undamaged else None


def keep(
    identity: str, key: str, parts: Parts, counts: Any = None, format: Format = "parquet"
) -> Kept:
    """Remembers what was made; switched off, it is handed back as it is.

    Args:
        identity: Of the function that made it.
        key: Of what it was made from.
        parts: Any number of parts; what is in files of ``format`` is linked.
        counts: What was counted on the way.
        format: Of the dataset that will link the parts.
    """
    place = _open_place()
    if place is None:
        return Kept(parts, counts)
    folder = place / identity / key
    beside = folder.with_name(f".{key}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir(parents=True)
    try:
        parts.write(beside, format)
        text = json.dumps(counts, ensure_ascii=True)
        (beside / _COUNTS).write_text(f"{_check(text)}\n{text}", "utf-8")
        for path in (*beside.iterdir(), beside):
            fsync(path)
        now = clock.now().timestamp()
        os.utime(beside, (now, now))
        _move(beside, folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return Kept(Parts.open(folder), json.loads(text))


def sweep() -> None:
    """Deletes what nobody used for two weeks, and what killed processes left half written."""
    oldest = (clock.now() - KEPT_FOR).timestamp()
    for entry in _entries(_place()):
        with suppress(FileNotFoundError):  # another run's sweep was here
            if entry.stat().st_mtime < oldest:
                shutil.rmtree(entry, ignore_errors=True)
    for function in _folders(_place()):
        with suppress(OSError):  # it has entries
            function.rmdir()


def _move(beside: Path, folder: Path) -> None:
    """Renames; a damaged entry in the way goes, a whole one is another process's and as good."""
    try:
        beside.rename(folder)
    except OSError:
        if recall(folder.parent.name, folder.name):
            shutil.rmtree(beside)
        else:
            shutil.rmtree(folder, ignore_errors=True)
            beside.rename(folder)


def _entries(place: Path) -> Iterator[Path]:
    for function in _folders(place):
        yield from _folders(function)


def _folders(place: Path) -> Iterable[Path]:
    return [path for path in place.iterdir() if path.is_dir()] if place.is_dir() else []


def _check(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def _open_place() -> Path | None:
    """Where entries lie; None: nothing is remembered."""
    if os.environ.get(VARIABLE) == "off":
        return None
    try:
        return _place()
    except UserError:
        return None


def _place() -> Path:
    return _place_above(Path.cwd())


@cache
def _place_above(folder: Path) -> Path:
    """Of the working ``folder``: looked for once, not for every raw file of a year."""
    return find_project() / "data" / ".memo"


def _plain(value: Any) -> Any:
    """As JSON: what it is made of and, where that is not plain, of which type.

    ``str`` would not do: it shortens arrays, and sets have no order.
    """
    kind = type(value).__qualname__
    match value:
        case Enum():
            return {kind: _plain(value.value)}
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return {kind: value.hex()}
        case PurePath():
            return {"Path": str(value)}
        case list() | tuple():
            return [_plain(each) for each in value]
        case Mapping() if all(isinstance(key, str) for key in value):
            return {str(key): _plain(each) for key, each in value.items()}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {kind: {each.name: _plain(getattr(value, each.name)) for each in fields(value)}}
        case _ if hasattr(value, "model_fields"):
            names = type(value).model_fields
            return {kind: {name: _plain(getattr(value, name)) for name in names}}
    raise TypeError(f"No key can be made of a {kind}: nobody knows when two are equal.")
