"""Words that set one label apart from the rest."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log, sqrt

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


def keywords_by_label(
    words: Iterable[Sequence[str]], labels: Iterable[int], n_labels: int, top: int
) -> list[list[Keyword]]:
    """Log-odds ratios with an informative Dirichlet prior (Monroe, Colaresi and Quinn 2008).

    The prior is the whole collection, so frequent words need a large difference and rare ones
    cannot win by chance. A word counts once a row: a rant that repeats a word is one voice.

    Args:
        words: Words of each row.
        labels: Label of each row.
        n_labels: How many labels there are.
        top: How many keywords of each label are returned at most.

    Returns:
        For each label its keywords, the strongest first, all with a positive score.
    """
    counts = [Counter[str]() for _ in range(n_labels)]
    for row, label in zip(words, labels, strict=True):
        counts[label].update({word.lower() for word in row if _WORD.fullmatch(word)})
    total = sum(counts, Counter[str]())
    size = sum(total.values())
    return [_keywords(own, total, size, top) for own in counts]


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
