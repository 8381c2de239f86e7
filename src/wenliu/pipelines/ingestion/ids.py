"""Every row gets its id: from the id column, else ``<file>:<line>``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wenliu.errors import UserError
from wenliu.inbox import came_by_inbox
from wenliu.pipelines.ingestion.judging import GIVEN_ID
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.text.hashing import digests, numbered

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts

#: Of a good row, what its id is made of.
ID_PARTS = ("source", "line", GIVEN_ID)


def settle_ids(
    good: Parts, tallies: Sequence[FileTally], *, given: bool
) -> tuple[list[bool], list[str]]:
    """For each file whether its column of ids is used, and warnings.

    A column of the files that came with the problem that was only found, not given, is left aside
    in all files where its values repeat: files of train and test often count from 0 each.

    Of a file that came by the inbox it is left aside where one of its ids has come before: a
    corrected export with some rows of an older one. Older files keep their ids.

    Raises:
        UserError: The given column repeats an id in the files that came with the problem.
    """
    if all(tally.lines_ascend and not tally.has_ids for tally in tallies):
        return [True] * len(tallies), []  # places are unique: nothing has to be looked at
    found = [np.empty((0, 2), np.uint64)]
    for use_column in (True, False):
        found += [digests(ids.to_pylist()) for ids in _columns(good, use_column=use_column)]
    number, firsts = numbered(np.concatenate(found))
    rows = good.num_rows
    ids, places = number[:rows], number[rows:]
    own = sum(tally.rows for tally in tallies if not _dropped(tally))
    again = np.flatnonzero(firsts[ids[:own]] < np.arange(own))
    if len(again):
        identity, one, other = _repeat(good, int(firsts[ids[again[0]]]), int(again[0]))
        if given:
            raise UserError(
                f"The id {identity!r} stands twice.",
                where=f"{one} and {other}",
                remedy="make the ids unique, or take ingestion.columns.id away: rows are then "
                "named by file and line",
            )
        return [False] * len(tallies), [
            f"The column of ids is not used: {identity!r} stands at {one} and at {other}. "
            "Rows are named by file and line."
        ]
    taken = np.zeros(len(firsts), bool)
    taken[ids[:own]] = True
    start, used, warnings = own, [], []
    for tally in tallies:
        if not _dropped(tally):
            used.append(True)
            continue
        mine = slice(start, start + tally.rows)
        again = np.flatnonzero(_repeats(ids[mine], taken))
        used.append(not len(again))
        taken[(places if len(again) else ids)[mine]] = True
        if len(again):
            row = start + int(again[0])
            identity, one, other = _repeat(good, int(firsts[ids[row]]) % rows, row)
            warnings.append(
                f"The ids of {tally.source} are not used: {identity!r} stands at {one} and at "
                f"{other}. Its rows are named by file and line."
            )
        start += tally.rows
    return used, warnings


def ids_of(good: pa.RecordBatch, *, use_column: bool) -> pa.Array:
    """Ids of good rows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lines = good["line"].cast(pa.string())
    places = pc.binary_join_element_wise(good["source"], lines, ":")
    return pc.coalesce(good[GIVEN_ID], places) if use_column else places


def _dropped(tally: FileTally) -> bool:
    return came_by_inbox(tally.file.sniffed.path)


def _repeats(ids: NDArray[np.integer], taken: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of a file's ids are taken already, or came earlier in the same file."""
    repeats = np.ones(len(ids), bool)
    repeats[np.unique(ids, return_index=True)[1]] = False
    return repeats | taken[ids]


def _columns(good: Parts, *, use_column: bool) -> Iterator[pa.Array]:
    for batch in good.batches(ID_PARTS):
        yield ids_of(batch, use_column=use_column)


def _repeat(good: Parts, one: int, other: int) -> tuple[str, str, str]:
    """The id of the later of two rows, and the places of both."""
    [identity] = _values(good, [other], use_column=True)
    first, again = _values(good, [one, other], use_column=False)
    return identity, first, again


def _values(good: Parts, rows: Sequence[int], *, use_column: bool) -> list[str]:
    found: dict[int, str] = {}
    start = 0
    for ids in _columns(good, use_column=use_column):
        found |= {r: ids[r - start].as_py() for r in rows if start <= r < start + len(ids)}
        start += len(ids)
    return [found[row] for row in rows]
