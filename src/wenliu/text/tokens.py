"""Tokens of a column of texts in flat arrays, as Arrow lays out lists."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Tokens(NamedTuple):
    """Tokens of some texts, without special tokens and uncut.

    Attributes:
        ids: int32, flat.
        offsets: int64 of texts + 1: text ``i`` has ``ids[offsets[i]:offsets[i + 1]]``.
        spans: (tokens, 2) int32: the first character of each token in its text, in code points,
            and the one behind its last. None where spans were not asked for.
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    spans: NDArray[np.int32] | None = None

    def rows_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The text to which each token belongs.

        Args:
            places: Indices into ``ids``.
        """
        return np.searchsorted(self.offsets, places, side="right") - 1


def concatenated(parts: Sequence[Tokens]) -> Tokens:
    """One after the other; all with spans or all without."""
    if len(parts) == 1:
        return parts[0]
    counts = np.concatenate([np.diff(part.offsets) for part in parts])
    ids = np.concatenate([part.ids for part in parts])
    spans = [part.spans for part in parts if part.spans is not None]
    return Tokens(ids, offsets_of(counts), np.concatenate(spans) if spans else None)


def offsets_of(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each row begins in a flat array, and where the last one ends."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts, dtype=np.int64)])


def ranges(starts: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """``starts[0], starts[0] + 1, ...``, ``counts[0]`` of them, then those of ``starts[1]``."""
    offsets = offsets_of(counts)
    return np.repeat(starts - offsets[:-1], counts) + np.arange(offsets[-1])


def as_numbers(spans: NDArray[np.int32]) -> NDArray[np.int64]:
    """A view of (n, 2) spans as n numbers: numpy copies those five times as fast as pairs."""
    return spans.view(np.int64)[:, 0]
