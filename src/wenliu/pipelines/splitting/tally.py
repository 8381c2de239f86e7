"""What the splits came out as."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wenliu.codes import NONE, Codes
from wenliu.pipelines.splitting.shares import SPLITS

if TYPE_CHECKING:
    from numpy.typing import NDArray


def count_given(given: Codes) -> Counter[str | None]:
    """How many rows bring which split along; under None those that bring none."""
    counts: Counter[str | None] = Counter()
    for code, name in ((NONE, None), *enumerate(SPLITS)):
        if count := int((given == code).sum()):
            counts[name] = count
    return counts


def count_labels(
    sides: Codes, labels: NDArray[np.int32], names: Sequence[str]
) -> dict[str, Counter[str]]:
    """Split to label to rows.

    Args:
        sides: ``(n,)`` index into ``SPLITS``.
        labels: ``(n,)`` index into ``names``.
        names: All labels.
    """
    counts = {}
    for code, split in enumerate(SPLITS):
        rows = np.bincount(labels[sides == code], minlength=len(names)).tolist()
        counts[split] = Counter({n: count for n, count in zip(names, rows, strict=True) if count})
    return counts


def parted_groups(groups: NDArray[np.int64], sides: Codes) -> tuple[int, int]:
    """How many groups stand in several splits, and the first row that strayed from its group.

    Given splits may part a group, and so may a frozen text; hashing never does.

    Args:
        groups: ``(n,)`` number of each row's group, or ``NONE``.
        sides: ``(n,)`` index into ``SPLITS``.
    """
    grouped = np.flatnonzero(groups != NONE)
    _, firsts, group = np.unique(groups[grouped], return_index=True, return_inverse=True)
    strayed = sides[grouped] != sides[grouped][firsts][group]
    rows = grouped[strayed]
    return len(np.unique(group[strayed])), int(rows[0]) if len(rows) else -1
