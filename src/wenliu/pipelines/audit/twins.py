"""Which rows say the same thing, and how closely.

Two rows are *identical* when their raw texts are equal, *normalised* twins when their normal
forms are equal, *near* twins when their normal forms are similar. Each contains the one before.
Blank rows (nothing is left of the text) are nobody's twins.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wenliu.codes import Bools, Codes
from wenliu.pipelines.audit.rows import Ints

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
        n_raw: How many raw texts there are.
        n_normal: How many normal forms there are.
    """

    raw: Ints
    normal: Ints
    blank: Bools
    pairs: Ints
    n_raw: int
    n_normal: int

    def closeness(self, rows: Bools, others: Bools) -> Codes:
        """How close the closest twin among ``others`` is, for each of ``rows``.

        Returns:
            ``(rows,)`` index into :data:`CLOSENESS`, or :data:`NO_TWIN`; the latter also for
            every row that is not asked for.
        """
        others = others & ~self.blank
        present = np.zeros(self.n_normal, dtype=bool)
        present[self.normal[others]] = True
        present_raw = np.zeros(self.n_raw, dtype=bool)
        present_raw[self.raw[others]] = True
        similar = np.zeros(self.n_normal, dtype=bool)
        similar[self.pairs[:, 0]] |= present[self.pairs[:, 1]]
        similar[self.pairs[present[self.pairs[:, 0]], 1]] = True
        levels = np.full(len(self.raw), NO_TWIN, dtype=np.int8)
        asked = rows & ~self.blank
        levels[asked & similar[self.normal]] = 2
        levels[asked & present[self.normal]] = 1
        levels[asked & present_raw[self.raw]] = 0
        return levels

    def repeats(self, rows: Bools) -> Codes:
        """How close the closest *earlier* twin within ``rows`` is, as :meth:`closeness`."""
        levels = np.full(len(self.raw), NO_TWIN, dtype=np.int8)
        chosen = np.flatnonzero(rows & ~self.blank)
        first = np.full(self.n_normal, len(self.raw), dtype=np.int64)
        np.minimum.at(first, self.normal[chosen], chosen)
        first_raw = np.full(self.n_raw, len(self.raw), dtype=np.int64)
        np.minimum.at(first_raw, self.raw[chosen], chosen)
        # The earliest row of any similar normal form.
        similar = np.full(self.n_normal, len(self.raw), dtype=np.int64)
        np.minimum.at(similar, self.pairs[:, 0], first[self.pairs[:, 1]])
        np.minimum.at(similar, self.pairs[:, 1], first[self.pairs[:, 0]])
        levels[chosen[similar[self.normal[chosen]] < chosen]] = 2
        levels[chosen[first[self.normal[chosen]] < chosen]] = 1
        levels[chosen[first_raw[self.raw[chosen]] < chosen]] = 0
        return levels

    def repeat_texts(self) -> Bools:
        """Rows whose normal form an earlier row has, in whatever split: ``(rows,)``."""
        chosen = np.flatnonzero(~self.blank)
        # Assigned backwards: what stays is the earliest.
        first = np.empty(self.n_normal, dtype=np.int64)
        first[self.normal[chosen][::-1]] = chosen[::-1]
        repeats = np.zeros(len(self.blank), dtype=bool)
        repeats[chosen] = first[self.normal[chosen]] < chosen
        return repeats

    def find(self, row: int, others: Bools, level: int) -> int:
        """The first row of ``others`` that is a twin of ``row`` at closeness ``level``."""
        if level == 0:
            same = self.raw == self.raw[row]
        elif level == 1:
            same = self.normal == self.normal[row]
        else:
            one, other = self.pairs.T
            near = np.zeros(self.n_normal, dtype=bool)
            near[other[one == self.normal[row]]] = True
            near[one[other == self.normal[row]]] = True
            same = near[self.normal]
        same &= others & ~self.blank
        same[row] = False
        return int(np.flatnonzero(same)[0])


def cumulative(levels: Codes) -> dict[str, int]:
    """Rows with a twin of at least each closeness."""
    return {name: int((levels <= level).sum()) for level, name in enumerate(CLOSENESS)}
