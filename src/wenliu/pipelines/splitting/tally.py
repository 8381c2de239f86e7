"""What the splits came out as, counted while the rows go by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wenliu.pipelines.splitting.shares import SPLITS
from wenliu.text.hashing import digests, numbered

if TYPE_CHECKING:
    from wenliu.parts import Parts

_NUMBER = {split: number for number, split in enumerate(SPLITS)}


class SplitTally:
    """Counts, and 25 bytes of every row that has a group.

    Attributes:
        counts: Split to label to rows.
        moved: Rows that came with another split.
    """

    def __init__(self) -> None:
        self.counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
        self.moved = 0
        self._seen = 0
        self._groups = [np.empty((0, 2), np.uint64)]
        self._sides = [np.empty(0, np.int8)]
        self._rows = [np.empty(0, np.int64)]

    def add(
        self,
        given: Sequence[str | None],
        sides: Sequence[str],
        labels: Sequence[str],
        groups: Sequence[str | None],
    ) -> None:
        """The next rows."""
        for (side, label), count in Counter(zip(sides, labels, strict=True)).items():
            self.counts[side][label] += count
        for (before, after), count in Counter(zip(given, sides, strict=True)).items():
            self.moved += count if before not in (None, after) else 0
        grouped = [row for row, group in enumerate(groups) if group is not None]
        self._groups.append(digests(groups[row] or "" for row in grouped))
        self._sides.append(np.array([_NUMBER[sides[row]] for row in grouped], np.int8))
        self._rows.append(np.array(grouped, np.int64) + self._seen)
        self._seen += len(sides)

    def parted_groups(self) -> tuple[int, int]:
        """How many groups stand in several splits, and the first row that strayed from its group.

        Given splits may part a group; hashing never does.
        """
        group, firsts = numbered(np.concatenate(self._groups))
        sides = np.concatenate(self._sides)
        strayed = sides != sides[firsts][group]
        rows = np.concatenate(self._rows)[strayed]
        return len(np.unique(group[strayed])), int(rows[0]) if len(rows) else -1


def group_of(parts: Parts, row: int) -> str:
    """The group of one row."""
    for batch in parts.batches(["group"]):
        if row < batch.num_rows:
            return batch["group"][row].as_py()
        row -= batch.num_rows
    raise IndexError(row)
