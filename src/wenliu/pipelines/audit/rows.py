"""The narrow columns that the audit holds of all rows, and the few rows that it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wenliu.codes import Bools, codes_of, numbered_names
from wenliu.schemas import SPLITS

if TYPE_CHECKING:
    from wenliu.parts import Parts

Ints = NDArray[np.int64]
#: From row numbers to the rows' ids and raw texts.
Fetch = Callable[[Iterable[int]], Mapping[int, tuple[str, str]]]


@dataclass(frozen=True)
class Rows:
    """What the policies and the report look at, besides the texts: 15 bytes a row.

    Attributes:
        sides: Split to ``(rows,)``: whether the row is in it.
        labels: ``(rows,)`` label ids.
        sources: Names of the files, in order.
        source: ``(rows,)`` index into ``sources``.
    """

    sides: dict[str, Bools]
    labels: Ints
    sources: list[str]
    source: NDArray[np.int32]

    @classmethod
    def of(cls, parts: Parts) -> Rows:
        """Reads the columns of ``split_examples``; names become numbers part by part."""
        split = np.concatenate(
            [
                np.empty(0, np.int8),
                *(codes_of(batch["split"], SPLITS) for batch in parts.batches(["split"])),
            ]
        )
        source, sources = numbered_names(batch["source"] for batch in parts.batches(["source"]))
        sides = {name: split == number for number, name in enumerate(SPLITS)}
        labels = parts.column("label_id").to_numpy().astype(np.int64)
        return cls(sides, labels, sources, source)

    def split_of(self, row: int) -> str:
        """The split of one row."""
        return next(name for name, rows in self.sides.items() if rows[row])


def fetch_rows(parts: Parts, rows: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Ids and raw texts of some rows; parts without any are not read."""
    wanted = np.unique(np.fromiter(rows, np.int64))
    found: dict[int, tuple[str, str]] = {}
    start = 0
    for part in parts.each():
        low, high = np.searchsorted(wanted, [start, start + part.num_rows])
        if low < high:
            here = wanted[low:high]
            some = part.table(["id", "text"]).take(here - start)
            columns = (some["id"].to_pylist(), some["text"].to_pylist())
            found.update(zip(here.tolist(), zip(*columns, strict=True), strict=True))
        start += part.num_rows
    return found
