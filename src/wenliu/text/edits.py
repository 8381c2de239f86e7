"""What a change of a text did to its character positions, and the way there and back.

Only the stretches that differ are kept; an untouched text keeps nothing. Offsets count Unicode
code points, as Python strings do.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

#: A stretch that differs: new start, new end, old start, old end (ends exclusive).
Stretch = tuple[int, int, int, int]
#: A replacement in a text: start, end, what stands there afterwards.
Replacement = tuple[int, int, str]


class Edits:
    """The map between the positions of an old text and of a new one.

    A span maps to the smallest span that covers it: one that ends inside a replaced stretch takes
    the whole stretch, and neither takes deleted characters that only stand beside it. Both maps
    are monotone.
    """

    __slots__ = ("_stretches",)

    def __init__(self, stretches: Sequence[Stretch] = ()) -> None:
        self._stretches = tuple(stretches)

    @classmethod
    def from_flat(cls, flat: Sequence[int] | None) -> Edits:
        """From the form of the ``edits`` column: quads in one list, None for no change.

        Raises:
            ValueError: The numbers are not quads of ascending stretches.
        """
        numbers = list(flat or ())
        if len(numbers) % 4:
            raise ValueError(f"{len(numbers)} numbers are not quads.")
        stretches = list(zip(*[iter(numbers)] * 4, strict=True))
        new_at = old_at = 0
        for new_start, new_end, old_start, old_end in stretches:
            if not (new_at <= new_start <= new_end and old_at <= old_start <= old_end):
                raise ValueError(f"Stretches overlap or descend at {new_start}, {old_start}.")
            if new_start - new_at != old_start - old_at:
                raise ValueError(f"What is unchanged before {new_start} differs in length.")
            new_at, old_at = new_end, old_end
        return cls(stretches)

    @property
    def flat(self) -> list[int] | None:
        """New start, new end, old start, old end, …; None when nothing changed."""
        return [number for stretch in self._stretches for number in stretch] or None

    def to_old(self, start: int, end: int) -> tuple[int, int]:
        """The old span of a span of the new text."""
        return _moved(self._stretches, start, end, source=0, target=2)

    def to_new(self, start: int, end: int) -> tuple[int, int]:
        """The new span of a span of the old text; empty when all of it was deleted."""
        return _moved(self._stretches, start, end, source=2, target=0)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Edits) and self._stretches == other._stretches

    def __hash__(self) -> int:
        return hash(self._stretches)

    def __repr__(self) -> str:
        return f"Edits({list(self._stretches)})"


def apply_replacements(text: str, replacements: Iterable[Replacement]) -> str:
    """The text with the replacements made (ascending, not overlapping)."""
    pieces: list[str] = []
    at = 0
    for start, end, new in replacements:
        pieces += text[at:start], new
        at = end
    pieces.append(text[at:])
    return "".join(pieces)


def stretches_of(replacements: Iterable[Replacement]) -> list[Stretch]:
    """The stretches that replacements make."""
    shift = 0
    stretches = []
    for start, end, new in replacements:
        new_start = start + shift
        stretches.append((new_start, new_start + len(new), start, end))
        shift += len(new) - (end - start)
    return stretches


def compose(first: Sequence[Stretch], second: Sequence[Stretch]) -> list[Stretch]:
    """The stretches of two changes made one after the other, in time linear in both.

    Stretches of the two that overlap become one; those that only touch stay apart.

    Args:
        first: From the old text to the middle one.
        second: From the middle text to the new one.
    """
    if not first or not second:
        return list(first or second)
    result: list[Stretch] = []
    i = j = 0
    to_old = to_new = 0  # what leads from a middle position to the old and to the new one
    while i < len(first) or j < len(second):
        if j == len(second) or (i < len(first) and first[i][:2] <= second[j][2:]):
            low, high = first[i][0], first[i][1]
        else:
            low, high = second[j][2], second[j][3]
        old_start, new_start = low + to_old, low + to_new
        while True:
            if i < len(first) and _joins(first[i][0], first[i][1], low, high):
                high = max(high, first[i][1])
                to_old = first[i][3] - first[i][1]
                i += 1
            elif j < len(second) and _joins(second[j][2], second[j][3], low, high):
                high = max(high, second[j][3])
                to_new = second[j][1] - second[j][3]
                j += 1
            else:
                break
        result.append((new_start, high + to_new, old_start, high + to_old))
    return result


def _joins(start: int, end: int, low: int, high: int) -> bool:
    """Whether a stretch belongs to a group: it opens the group, or overlaps it."""
    return (start, end) == (low, high) or start < high


def _moved(
    stretches: Sequence[Stretch], start: int, end: int, source: int, target: int
) -> tuple[int, int]:
    # The last stretch that starts at or before `start`, the first that ends at or after `end`.
    before = bisect_right(stretches, start, key=lambda s: s[source]) - 1
    moved_start = start
    if before >= 0:
        stretch = stretches[before]
        inside = start < stretch[source + 1]
        moved_start = (
            stretch[target] if inside else start - stretch[source + 1] + stretch[target + 1]
        )
    if end <= start:
        return moved_start, moved_start
    after = bisect_left(stretches, end, key=lambda s: s[source + 1])
    if after < len(stretches):
        stretch = stretches[after]
        inside = stretch[source] < end
        moved_end = stretch[target + 1] if inside else end - stretch[source] + stretch[target]
    elif stretches:
        moved_end = end - stretches[-1][source + 1] + stretches[-1][target + 1]
    else:
        moved_end = end
    return moved_start, moved_end
