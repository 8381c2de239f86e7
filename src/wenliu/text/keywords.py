"""Words that set one label apart from the rest."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

#: At least two letters, one of them not a digit: no signs, numbers or single characters.
_WORD = re.compile(r"(?=.*[^\W\d_])\w{2,}")
#: Weight of the prior, in words: what one label must outweigh before a difference counts.
_PRIOR = 500.0
#: Rarer words say something about a row, not about a label.
_MIN_ROWS = 3


@dataclass(frozen=True)
class Keyword:
    """A word that a label uses more than the others do.

    Attributes:
        word: The word.
        score: z-score of the log-odds; above 2 is more than chance.
        rows: Rows of the label that hold it.
        share: Those rows of all rows that hold it.
    """

    word: str
    score: float
    rows: int
    share: float


class WordCounts:
    """In how many rows of each label every word stands, batch by batch.

    A word counts once a row: a rant that repeats a word is one voice.

    Args:
        n_labels: How many labels there are.

    Attributes:
        rows: Rows counted so far.
    """

    def __init__(self, n_labels: int) -> None:
        self.rows = 0
        self._counts = [Counter[str]() for _ in range(n_labels)]

    def add(self, words: pa.ListArray, labels: pa.Array) -> None:
        """Counts a batch.

        Args:
            words: Words of each row.
            labels: Label id of each row.
        """
        import pyarrow.compute as pc

        self.rows += len(words)
        # Of half a million words some ten thousand differ: only these become Python strings.
        encoded = words.flatten().dictionary_encode()
        merged: dict[str, int] = {}
        numbers = np.array(
            [
                merged.setdefault(word.lower(), len(merged)) if _WORD.fullmatch(word) else -1
                for word in encoded.dictionary.to_pylist()
            ],
            np.int64,
        )
        if not merged:
            return
        names, bits = list(merged), len(merged).bit_length()
        word = numbers[encoded.indices.to_numpy()]
        row = np.repeat(np.arange(len(words)), pc.list_value_length(words).to_numpy())
        pairs = np.sort((row << bits | word)[word >= 0])
        once = pairs[np.diff(pairs, prepend=-1) > 0]
        row, word = once >> bits, once & ((1 << bits) - 1)
        found, rows = np.unique(
            np.asarray(labels, np.int64)[row] << bits | word, return_counts=True
        )
        for pair, count in zip(found.tolist(), rows.tolist(), strict=True):
            self._counts[pair >> bits][names[pair & ((1 << bits) - 1)]] += count

    def keywords(self, top: int) -> list[list[Keyword]]:
        """Log-odds ratios with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008).

        The prior is the whole collection, so frequent words need a large difference and rare ones
        cannot win by chance.

        Args:
            top: How many keywords of each label are returned at most.

        Returns:
            For each label its keywords, the strongest first, all with a positive score.
        """
        total = sum(self._counts, Counter[str]())
        size = sum(total.values())
        return [_keywords(own, total, size, top) for own in self._counts]


def _keywords(own: Counter[str], total: Counter[str], size: int, top: int) -> list[Keyword]:
    own_size = sum(own.values())
    found = []
    for word, rows in own.items():
        everywhere = total[word]
        if rows < _MIN_ROWS:
            continue
        prior = _PRIOR * everywhere / size
        inside, outside = rows + prior, everywhere - rows + prior
        difference = log(inside / (own_size + _PRIOR - inside)) - log(
            outside / (size - own_size + _PRIOR - outside)
        )
        score = difference / sqrt(1 / inside + 1 / outside)
        if score > 0:
            found.append(Keyword(word, score, rows, rows / everywhere))
    # Words of equal score in a fixed order: two runs give the same plot.
    return sorted(found, key=lambda keyword: (-keyword.score, keyword.word))[:top]
