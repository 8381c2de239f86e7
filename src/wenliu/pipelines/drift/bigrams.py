"""Character bigrams of texts as numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]

#: The most frequent ones; all rarer ones are one item together. A bigram that stands in one text
#: only is in one sample only, whatever the samples are.
KEPT = 4096
#: Characters of a text that are read: the permutations count every bigram again.
_CHARACTERS = 200
_REST = -1


def bigrams(texts: Sequence[str]) -> tuple[Ints, Ints, list[str]]:
    """All bigrams of the texts, of which no blank is part.

    Returns:
        Number of each bigram, the text that it stands in, and the names of the numbers; the last
        number is that of the rest and has the name ``""``.
    """
    cut = [text[:_CHARACTERS] for text in texts]
    points = np.frombuffer("".join(cut).encode("utf-32-le", "surrogatepass"), "<u4")
    row = np.repeat(np.arange(len(cut)), [len(text) for text in cut])
    first, second = points[:-1].astype(np.int64), points[1:].astype(np.int64)
    inside = (row[:-1] == row[1:]) & (first > 0x20) & (second > 0x20)
    keys, number, counts = np.unique(
        (first << 21 | second)[inside], return_inverse=True, return_counts=True
    )
    kept = np.argsort(-counts, kind="stable")[:KEPT]
    renumbered = np.full(keys.size, _REST)
    renumbered[kept] = np.arange(kept.size)
    numbers = renumbered[number]
    numbers[numbers == _REST] = kept.size
    names = [chr(key >> 21) + chr(key & 0x1FFFFF) for key in keys[kept].tolist()]
    return numbers, row[:-1][inside], [*names, ""]
