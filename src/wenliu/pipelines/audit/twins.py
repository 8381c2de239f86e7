"""Which rows say the same thing, and how closely.

Two rows are *identical* when their raw texts are equal, *normalised* twins when their normal
forms are equal, *near* twins when their normal forms are similar. Each contains the one before.
Blank rows (nothing is left of the text) are nobody's twins.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

CLOSENESS = ("identical", "normalised", "near")
#: Number of a row that has no twin at all.
NO_TWIN = len(CLOSENESS)


@dataclass(frozen=True)
class Twins:
    """Rows as numbers of their texts.

    Attributes:
        raw: ``(rows,)`` number of the raw text.
        normal: ``(rows,)`` number of the normal form.
        blank: ``(rows,)`` whether nothing is left of the text.
        pairs: ``(k, 2)`` numbers of similar, different normal forms.
        n_normal: How many normal forms there are.
    """

    raw: Ints
    normal: Ints
    blank: Bools
    pairs: Ints
    n_normal: int

    def closeness(self, rows: Bools, others: Bools) -> Ints:
        """How close the closest twin among ``others`` is, for each of ``rows``.

        Returns:
            ``(rows,)`` index into :data:`CLOSENESS`, or :data:`NO_TWIN`; the latter also for
            every row that is not asked for.
        """
        others = others & ~self.blank
        present = np.zeros(self.n_normal, dtype=bool)
        present[self.normal[others]] = True
        similar = np.zeros(self.n_normal, dtype=bool)
        similar[self.pairs[:, 0]] |= present[self.pairs[:, 1]]
        similar[self.pairs[present[self.pairs[:, 0]], 1]] = True
        levels = np.full(len(self.raw), NO_TWIN, dtype=np.int64)
        asked = rows & ~self.blank
        levels[asked & similar[self.normal]] = 2
        levels[asked & present[self.normal]] = 1
        levels[asked & np.isin(self.raw, np.unique(self.raw[others]))] = 0
        return levels

    def repeats(self, rows: Bools) -> Ints:
        """How close the closest *earlier* twin within ``rows`` is, as :meth:`closeness`."""
        levels = np.full(len(self.raw), NO_TWIN, dtype=np.int64)
        chosen = np.flatnonzero(rows & ~self.blank)
        first = np.full(self.n_normal, len(self.raw), dtype=np.int64)
        np.minimum.at(first, self.normal[chosen], chosen)
        # The earliest row of any similar normal form.
        similar = np.full(self.n_normal, len(self.raw), dtype=np.int64)
        np.minimum.at(similar, self.pairs[:, 0], first[self.pairs[:, 1]])
        np.minimum.at(similar, self.pairs[:, 1], first[self.pairs[:, 0]])
        levels[chosen[similar[self.normal[chosen]] < chosen]] = 2
        levels[chosen[first[self.normal[chosen]] < chosen]] = 1
        _, first_raw, number = np.unique(self.raw[chosen], return_index=True, return_inverse=True)
        levels[chosen[first_raw[number] < np.arange(chosen.size)]] = 0
        return levels

    def find(self, row: int, others: Bools, level: int) -> int:
        """The first row of ``others`` that is a twin of ``row`` at closeness ``level``."""
        if level == 0:
            same = self.raw == self.raw[row]
        elif level == 1:
            same = self.normal == self.normal[row]
        else:
            number = self.normal[row]
            near = self.pairs[(self.pairs == number).any(axis=1)].ravel()
            same = np.isin(self.normal, near[near != number])
        same &= others & ~self.blank
        same[row] = False
        return int(np.flatnonzero(same)[0])


def find_twins(
    texts: Sequence[str],
    blank: Bools,
    normal_form: Callable[[str], str],
    near_pairs: Callable[[Sequence[str]], Ints],
) -> Twins:
    """Numbers the texts and looks for similar ones.

    Args:
        texts: Raw texts.
        blank: Rows that are known to be blank; rows with an empty normal form are added.
        normal_form: From a raw text to its normal form.
        near_pairs: From distinct normal forms to ``(k, 2)`` indices of similar ones.
    """
    raw, distinct = _numbered(texts)
    normal_of_raw, forms = _numbered(normal_form(text) for text in distinct)
    normal = normal_of_raw[raw] if len(raw) else raw
    empty = np.array([not form for form in forms], dtype=bool)
    blank = blank | empty[normal] if len(raw) else blank
    pairs = np.asarray(near_pairs(forms), dtype=np.int64).reshape(-1, 2)
    return Twins(raw, normal, blank, pairs, len(forms))


def cumulative(levels: Ints) -> dict[str, int]:
    """Rows with a twin of at least each closeness."""
    return {name: int((levels <= level).sum()) for level, name in enumerate(CLOSENESS)}


def _numbered(items: Iterable[Hashable]) -> tuple[Ints, list]:
    """Numbers by first occurrence, and the distinct items in that order."""
    numbers: dict[Hashable, int] = {}
    ids = np.fromiter((numbers.setdefault(item, len(numbers)) for item in items), dtype=np.int64)
    return ids, list(numbers)
