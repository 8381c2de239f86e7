"""What a raw file is: sniffed once, and remembered as long as its bytes stay the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from wenliu import memo
from wenliu.errors import UserError
from wenliu.inbox import came_by_inbox
from wenliu.parts import Parts
from wenliu.readers import ReadOptions, Sniffed, sniff
from wenliu.readers.encodings import evident_encoding
from wenliu.readers.formats import find_format
from wenliu.readers.sniffing import SNIFFED_ROWS

_TEXT_FORMATS = ("csv", "tsv", "json", "jsonl")
Columns = Mapping[str, str | int | None]


@dataclass(frozen=True)
class Wanted:
    """How a file is to be looked at.

    Attributes:
        options: What is known of it.
        columns: Role and column.
        bad_share: Of a file that came by the inbox: above it, it is looked at anew.
        max_rows: Rows to look at.
    """

    options: ReadOptions
    columns: tuple[tuple[str, str | int | None], ...]
    bad_share: float
    max_rows: int = SNIFFED_ROWS


@cache
def look_at(path: Path, sha256: str, wanted: Wanted) -> Sniffed:
    """What a file with these bytes is, looked up where it was looked at on another night.

    An inbox full of files looks at the older ones once for all of them.

    Raises:
        UserError: See ``sniff``.
    """
    import pyarrow as pa

    made_with = memo.identity(_sniff_arrived)  # and all that this module imports
    # Names take part: format and delimiter go by the suffix where the content leaves it open.
    key = memo.key_of(path.name, came_by_inbox(path), sha256, asdict(wanted))
    kept = memo.recall(made_with, key)
    if kept is None:
        found = _sniff_arrived(path, wanted) if came_by_inbox(path) else _sniff(path, wanted)
        kept = memo.keep(made_with, key, Parts(pa.schema([]), []), _packed(found))
    return _unpacked(path, kept.counts)


def _sniff(path: Path, wanted: Wanted) -> Sniffed:
    return sniff(path, wanted.options, dict(wanted.columns), wanted.max_rows)


def _packed(found: Sniffed) -> dict[str, Any]:
    """As JSON can keep it, without the path and without texts."""
    return {k: v for k, v in asdict(found).items() if k not in ("path", "examples")}


def _unpacked(path: Path, values: Mapping[str, Any]) -> Sniffed:
    options = {**values["options"], "columns": tuple(values["options"]["columns"])}
    changed = {
        "options": ReadOptions(**options),
        "columns": tuple(values["columns"]),
        "labels": tuple((label, count) for label, count in values["labels"]),
    }
    return Sniffed(path=path, examples=(), **{**values, **changed})


def _sniff_arrived(path: Path, wanted: Wanted) -> Sniffed:
    """Looks at a file as configured; where that does not fit it, as at a file nobody knows.

    What is configured was mostly found in the first file of the problem. Somebody else's export
    of the same columns may have another encoding or format.

    Raises:
        UserError: It fits neither way.
    """
    options, columns = wanted.options, dict(wanted.columns)
    found, why = None, None
    try:
        found = sniff(path, _as_configured(path, options), columns, wanted.max_rows)
        if found.bad_rows <= wanted.bad_share * (found.rows + found.bad_rows):
            return found
    except UserError as error:
        why = error
    limits = ("max_file_bytes", "max_expansion", "max_row_chars")
    anew = ReadOptions(**{name: getattr(options, name) for name in limits})
    if options != anew:
        try:
            other = sniff(path, anew, columns, wanted.max_rows)
            if found is None or other.bad_rows < found.bad_rows:
                return other
        except UserError as error:
            why = why or error
    if found is None:
        assert why is not None
        raise why
    return found


def _as_configured(path: Path, options: ReadOptions) -> ReadOptions:
    """The options without what another first file could have made wrong for this one."""
    if options.quoting == "minimal":
        # CSV is read so anyway; a TSV with stray quotes would lose the rows between two of them.
        options = replace(options, quoting="auto")
    if options.encoding != "auto" and find_format(path, options)[0] in _TEXT_FORMATS:
        # UTF-8 read as GB18030 makes nonsense without a single error.
        evident = evident_encoding(path, options)
        options = replace(options, encoding=evident[0] if evident else options.encoding)
    return options
