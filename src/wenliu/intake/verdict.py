"""Whether a file that was dropped may be used: read whole, by the code that ingestion uses."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.params import IngestionParams
from wenliu.readers.formats import find_format
from wenliu.readers.sources import BLOCK_BYTES, GuardedStream

if TYPE_CHECKING:
    from wenliu.pipelines.ingestion.tallies import FileTally

#: Labels that a message names.
_SHOWN = 5


@dataclass(frozen=True)
class Verdict:
    """What a file is worth.

    Attributes:
        rows: Rows in it, bad ones included; lines, where it is no table.
        bad_rows: Of these.
        problem: Why it may not be used; None: it may.
        first_bad: The first bad rows: line, column and reason, never the text.
    """

    rows: int
    bad_rows: int = 0
    problem: UserError | None = None
    first_bad: tuple[dict[str, Any], ...] = ()


def judge_file(
    path: Path, params: IngestionParams, labels: Sequence[str] | None, others: Sequence[Path]
) -> Verdict:
    """Reads a file from beginning to end; what is wrong with it is said, never raised.

    Args:
        path: A regular file in the folder of claimed ones.
        params: How raw files are read, and how many rows may be bad.
        labels: All that are known; a file with none of them has another schema. None: not known.
        others: Raw files of the problem, which tell columns that have no telling name.

    Raises:
        OSError: The machine's fault, not the file's: a full or failing disk.
    """
    if path.stat().st_size > params.max_file_bytes:
        return Verdict(0, problem=_too_large(path, params))
    tally: FileTally | None = None
    try:
        tally = _read(path, params, others)
        _check(tally, params, labels)
    except UserError as error:
        problem = error
    except OSError as error:
        if error.errno is not None:
            raise
        problem = _broken(path, error)  # Arrow's word for a damaged file
    except Exception as error:  # a reader's, from a file as nobody has seen one before
        logging.getLogger(__name__).info("%s cannot be read", path.name, exc_info=error)
        problem = _broken(path, error)
    else:
        return Verdict(tally.rows + tally.bad, tally.bad)
    if tally is None:
        return Verdict(countable_rows(path, params), problem=problem)
    first = tuple(
        {"line": row.line, "column": row.column, "reason": row.reason} for row in tally.first_bad
    )
    return Verdict(tally.rows + tally.bad, tally.bad, problem, first)


def killed_readers(path: Path, tries: int) -> Verdict:
    """The verdict on a file that nobody should open again."""
    problem = UserError(
        f"Reading the file has ended the process {tries} times: it may need more memory than there "
        "is.",
        where=path.name,
        remedy="split it, or read it on a larger machine; if the machine itself was the trouble: "
        "wenliu inbox retry",
    )
    return Verdict(0, problem=problem)


def countable_rows(path: Path, params: IngestionParams) -> int:
    """Rows of a file that is no table: its lines that are not blank, without a header.

    0 where it is no text, or over a limit.
    """
    from wenliu.pipelines.ingestion.opening import read_options

    options = read_options(params)
    lines, last = 0, b""
    try:
        form = find_format(path, options)[0]
        if form in ("xlsx", "parquet"):
            return 0
        with GuardedStream(path, options) as stream:
            while data := stream.read(BLOCK_BYTES):
                *whole, last = (last + data).split(b"\n")
                lines += sum(not line.isspace() and line != b"" for line in whole)
                last = last[-BLOCK_BYTES:]
    except UserError:
        return 0
    lines += bool(last.strip())
    headed = form in ("csv", "tsv") and params.header is not False
    return max(0, lines - headed)


def _read(path: Path, params: IngestionParams, others: Sequence[Path]) -> FileTally:
    from wenliu.pipelines.ingestion.judging import judge
    from wenliu.pipelines.ingestion.labels import LabelReader, read_label_names
    from wenliu.pipelines.ingestion.opening import open_raw_files
    from wenliu.pipelines.ingestion.tallies import FileTally

    names = None
    if params.label_names is not None and others:
        names, others = read_label_names(others, params.label_names)
    # A trial with few rows is a matter of the run, not of the file.
    file = open_raw_files([*others, path], params.model_copy(update={"limit": None}))[-1]
    tally = FileTally(path.name, file)
    for _ in judge(tally, LabelReader(names), None, params.split_values):
        pass
    return tally


def _check(tally: FileTally, params: IngestionParams, labels: Sequence[str] | None) -> None:
    from wenliu.pipelines.ingestion.checks import refuse_too_many_bad_rows

    refuse_too_many_bad_rows([tally], params.max_bad_rows)
    if not tally.rows:
        raise UserError("There are no rows.", where=tally.source, remedy="fill the file")
    if labels is not None and not tally.labels.keys() & set(labels):
        found = list(tally.labels)
        shown = ", ".join(map(repr, found[:_SHOWN])) + (", ..." if len(found) > _SHOWN else "")
        raise UserError(
            f"None of its labels is known: {shown}.",
            where=f"{tally.source}, column {tally.file.roles['label']!r}",
            remedy="check whether the columns are those of the other files; a label that is meant "
            "to be new is added with: wenliu labels add NAME",
        )


def _too_large(path: Path, params: IngestionParams) -> UserError:
    return UserError(
        f"The file holds {path.stat().st_size:,} bytes, more than {params.max_file_bytes:,}.",
        where=path.name,
        remedy="raise ingestion.max_file_bytes if the file is meant to be that large, or split it",
    )


def _broken(path: Path, error: Exception) -> UserError:
    # Messages of libraries may hold cells: they stand in the log only.
    return UserError(
        f"The file is damaged, or is not what its name says ({type(error).__name__}).",
        where=path.name,
        remedy="open it with the program that made it, save it again and drop that",
    )
