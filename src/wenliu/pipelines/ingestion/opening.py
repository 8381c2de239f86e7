"""Opens raw files: those that came with the problem as configured, later ones as they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from wenliu.disk import cached_sha256
from wenliu.errors import UserError
from wenliu.inbox import came_by_inbox
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.looking import Columns, Wanted, look_at
from wenliu.readers import RawFile, ReadOptions, Sniffed, open_files


def open_raw_files(paths: Sequence[Path], params: IngestionParams) -> list[RawFile]:
    """Understands every file; columns that mean the same are found alike in all of them.

    Raises:
        UserError: A file cannot be read, or has no column of texts or of labels.
    """

    def look(path: Path, options: ReadOptions, columns: Columns, **rows: int) -> Sniffed:
        wanted = Wanted(options, tuple(columns.items()), params.max_bad_rows, **rows)
        return look_at(path, cached_sha256(path), wanted)

    files = open_files(paths, read_options(params), params.columns.model_dump(), params.limit, look)
    for file in files:
        _require_columns(file)
    return files


def read_options(params: IngestionParams) -> ReadOptions:
    """What the parameters say about reading a file."""
    return ReadOptions(
        format=params.format,
        encoding=params.encoding,
        delimiter=params.delimiter,
        quoting=params.quoting,
        header=params.header,
        sheet=params.sheet,
        max_file_bytes=params.max_file_bytes,
        max_expansion=params.max_expansion,
        max_row_chars=params.max_row_chars,
    )


def source_names(paths: Sequence[Path]) -> list[str]:
    """What each file is called in ids; files that come later change no name.

    Raises:
        UserError: There are none.
    """
    if not paths:
        raise UserError(
            "There are no raw files beside the label names.",
            where="raw_files in the catalog",
            remedy="put the data files there",
        )
    own = [path for path in paths if not came_by_inbox(path)]
    if len({path.name for path in own}) == len(own):
        return [path.name for path in paths]
    # Two folders with a train.csv each: tell them apart by their folders.
    common = os.path.commonpath([path.parent for path in own])
    return [path.relative_to(common).as_posix() if path in own else path.name for path in paths]


def _require_columns(file: RawFile) -> None:
    for role in ("text", "label"):
        if not file.has(role):
            found = file.sniffed
            sheet = found.reasons.get("sheet")
            raise UserError(
                f"No {role} column was found ({found.reasons[role]}); "
                f"there are {', '.join(map(repr, found.columns))}.",
                where=f"{found.path}, sheet {sheet}" if sheet else str(found.path),
                remedy=("give ingestion.sheet, or " if sheet else "")
                + f"give ingestion.columns.{role}; a file with the names of integer labels "
                "goes into ingestion.label_names",
            )
