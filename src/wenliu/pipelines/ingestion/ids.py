"""Every row gets its id: from the id column, else ``<file>:<line>``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wenliu.errors import UserError
from wenliu.pipelines.ingestion.judging import GIVEN_ID
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.text.hashing import digests, numbered

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts

#: Of a good row, what its id is made of.
ID_PARTS = ("source", "line", GIVEN_ID)


def settle_ids(good: Parts, tallies: Sequence[FileTally], *, given: bool) -> tuple[bool, list[str]]:
    """Whether the column of ids is used, and warnings.

    A column that was only found, not given, is left aside where its values repeat: files of
    train and test often count from 0 each.

    Raises:
        UserError: The given column repeats an id.
    """
    if all(tally.lines_ascend and not tally.has_ids for tally in tallies):
        return True, []  # places are unique: nothing has to be looked at
    found = [digests(ids.to_pylist()) for ids in _columns(good, use_column=True)]
    number, firsts = numbered(np.concatenate([np.empty((0, 2), np.uint64), *found]))
    again = np.flatnonzero(firsts[number] < np.arange(len(number)))
    if not len(again):
        return True, []
    repeat = int(again[0])
    rows = (int(firsts[number[repeat]]), repeat)
    identity, _ = _values(good, rows, use_column=True)
    one, other = _values(good, rows, use_column=False)
    if given:
        raise UserError(
            f"The id {identity!r} stands twice.",
            where=f"{one} and {other}",
            remedy="make the ids unique, or take ingestion.columns.id away: rows are then named "
            "by file and line",
        )
    return False, [
        f"The column of ids is not used: {identity!r} stands at {one} and at {other}. "
        "Rows are named by file and line."
    ]


def ids_of(good: pa.RecordBatch, *, use_column: bool) -> pa.Array:
    """Ids of good rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lines = good["line"].cast(pa.string())
    places = pc.binary_join_element_wise(good["source"], lines, ":")
    return pc.coalesce(good[GIVEN_ID], places) if use_column else places


def _columns(good: Parts, *, use_column: bool) -> Iterator[pa.Array]:
    for batch in good.batches(ID_PARTS):
        yield ids_of(batch, use_column=use_column)


def _values(good: Parts, rows: Sequence[int], *, use_column: bool) -> list[str]:
    found, start = [], 0
    for ids in _columns(good, use_column=use_column):
        found += [ids[row - start].as_py() for row in rows if start <= row < start + len(ids)]
        start += len(ids)
    return found
