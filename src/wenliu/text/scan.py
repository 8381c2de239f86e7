"""One look at a block of texts: which rules could change which of them.

Most rows of a real column need no rule at all, and most of the others only rules that replace a
character by a character (case, width, quotes). So all texts of a block are looked up together,
code point by code point, in a table that says which rules care; what stands side by side is asked
of the few positions that were found. Rows that need nothing else are translated right here, and
only what is left runs rule by rule.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wenliu.text.rules import Rule

_CODES = 0x110000
#: Beside the bits of at most 14 rules: a blank, and a character that becomes none or several.
_BLANK, _UNEVEN = np.uint16(1 << 14), np.uint16(1 << 15)
_RULES = np.uint16((1 << 14) - 1)


@dataclass(frozen=True)
class Scan:
    """What was found in a block of ``rows`` texts that stand one after the other.

    Attributes:
        pending: (rows,) uint16: bits of the rules that could change the text.
        translated: (rows,) bool: character by character is all that is to be done.
        codes: Code units of the block, translated: one for each character.
        places: (places,) int64: positions in the block that a rule cares about, ascending.
        flags: (places,) uint16: bits of the rules that care.
        counts: (rows,) int64: how many of the places are in each row.
        moves: Code units, before and after, and positions of what was translated.
    """

    pending: np.ndarray
    translated: np.ndarray
    codes: np.ndarray
    places: np.ndarray
    flags: np.ndarray
    counts: np.ndarray
    moves: tuple[np.ndarray, np.ndarray, np.ndarray]

    @cached_property
    def text(self) -> str:
        """The translated block."""
        encoding = "utf-16-le" if self.codes.dtype == np.uint16 else "utf-32-le"
        return self.codes.tobytes().decode(encoding, "surrogatepass")

    def flags_in(self, rows: np.ndarray) -> np.ndarray:
        """``flags`` of the places in some of the rows, given as (rows,) bool."""
        return self.flags[np.repeat(rows, self.counts)]

    def growth(self, ends: np.ndarray) -> np.ndarray:
        """UTF-8 bytes that the block is longer by, up to each of the positions ``ends``."""
        before, after, places = self.moves
        sums = np.concatenate(([0], np.cumsum(_utf8_width(after) - _utf8_width(before))))
        return sums[np.searchsorted(places, ends)]


class Scanner:
    """Scans for the rules of one normalizer.

    Args:
        rules: In their order.
        longest: Longest run that the rule ``repeats`` leaves; 0 where there is no such rule.
    """

    def __init__(self, rules: Sequence[Rule], longest: int) -> None:
        if len(rules) > 14:
            raise ValueError(f"{len(rules)} rules do not fit into the bits of a scan.")
        self._rules = rules
        self._bits = {rule.name: np.uint16(1 << index) for index, rule in enumerate(rules)}
        self._longest = longest
        #: Names and bits of the rules that replace character by character.
        self.charwise = [(rule.name, self._bits[rule.name]) for rule in rules if rule.charwise]
        self._charwise = np.uint16(sum(bit for _, bit in self.charwise))

    def scan(self, block: str, ends: np.ndarray) -> Scan:
        """Scans texts that stand one after the other.

        Args:
            block: The texts, joined.
            ends: (rows,) int64: where each ends, in characters.
        """
        table, becomes = self._tables
        codes = _codes_of(block)
        flags = table.take(codes)
        places = np.flatnonzero(flags)
        flags = flags[places]

        moving = places[flags & self._charwise != 0]
        before = codes[moving]
        after = becomes.take(before).astype(codes.dtype)
        if len(moving):
            codes = codes.copy()
            codes[moving] = after

        counts = np.diff(np.searchsorted(places, ends), prepend=0)
        pending = np.zeros(len(ends), np.uint16)
        filled = np.flatnonzero(counts)
        if len(filled):
            first = (np.cumsum(counts) - counts)[filled]
            pending[filled] = np.bitwise_or.reduceat(flags, first)
        self._look_beside(codes, places, flags, ends, pending)
        translated = (pending != 0) & (pending & ~self._charwise == 0)
        moves = (before, after, moving)
        return Scan(pending & _RULES, translated, codes, places, flags, counts, moves)

    def _look_beside(
        self,
        codes: np.ndarray,
        places: np.ndarray,
        flags: np.ndarray,
        ends: np.ndarray,
        pending: np.ndarray,
    ) -> None:
        """Puts right in ``pending`` what single characters do not tell.

        Runs over two texts count for the first of them, which does no harm.
        """

        def mark(bit: np.uint16, positions: np.ndarray) -> None:
            pending[np.searchsorted(ends, positions, side="right")] |= bit

        for rule in self._rules:
            if rule.together > 1:
                bit = self._bits[rule.name]
                pending &= ~bit
                mark(bit, _runs(places[flags & bit != 0], rule.together))
        if "whitespace" in self._bits:
            # A single blank inside a text is as it should be.
            bit = self._bits["whitespace"]
            mark(bit, _runs(places[flags & _BLANK != 0], 2))
            filled = np.flatnonzero(np.diff(ends, prepend=0))
            last = ends[filled] - 1
            first = np.concatenate(([0], last[:-1] + 1)) if len(filled) else last
            pending[filled[(codes[first] == 0x20) | (codes[last] == 0x20)]] |= bit
            pending &= ~_BLANK
        if self._longest:
            same = codes[1:] == codes[:-1]
            # Longer runs than four are rare enough to be looked at closely.
            length = min(self._longest, 3)
            run = same[: max(len(same) - length + 1, 0)]
            for shift in range(1, length):
                run = run & same[shift : len(run) + shift]
            begins = np.flatnonzero(run)
            units = codes[begins]
            is_spared = (units - units.dtype.type(0x30) < 10) | (units == 0x20)
            mark(self._bits["repeats"], begins[~is_spared])

    @cached_property
    def _tables(self) -> tuple[np.ndarray, np.ndarray]:
        """Code point to flags, and to what the rules that go character by character make of it.

        A rule is asked about what the rules before it leave: a wide capital letter concerns width
        and case.
        """
        flags = np.zeros(_CODES, np.uint16)
        moved: dict[str, str] = {}

        def mark(bit: np.uint16, signs: Collection[str]) -> list[str]:
            """Marks what has become one of ``signs`` by now, and returns it."""
            raw = [sign for sign in signs if sign not in moved]
            raw += [old for old, new in moved.items() if new in signs]
            flags[list(map(ord, raw))] |= bit
            return raw

        for rule in self._rules:
            bit = self._bits[rule.name]
            if rule.charwise:
                changes = {
                    sign: found[0][2] for sign in rule.signs or "" if (found := rule.find(sign))
                }
                even = {sign: new for sign, new in changes.items() if _is_even(sign, new)}
                mark(_UNEVEN, changes.keys() - even.keys())
                mark(bit, changes)
                moved |= {old: even[moved.get(old, old)] for old in mark(bit, even)}
            elif rule.name == "whitespace":
                mark(_BLANK, {" "})
                mark(bit, {c for c in map(chr, range(0x3001)) if c.isspace() and c != " "})
            else:
                mark(bit, set(rule.signs or ""))
        becomes = np.arange(_CODES, dtype=np.uint32)
        becomes[list(map(ord, moved))] = list(map(ord, moved.values()))
        return flags, becomes


def _is_even(sign: str, new: str) -> bool:
    """Whether a replacement takes one code unit and cannot leave a text blank."""
    return len(new) == 1 and new <= "\uffff" and (sign.isspace() or not new.isspace())


def _codes_of(block: str) -> np.ndarray:
    """One code unit for each character: 16 bits where that is enough, which is most often."""
    codes = np.frombuffer(block.encode("utf-16-le", "surrogatepass"), np.uint16)
    if (codes & 0xF800 == 0xD800).any():
        codes = np.frombuffer(block.encode("utf-32-le", "surrogatepass"), np.uint32)
    return codes


def _runs(positions: np.ndarray, length: int) -> np.ndarray:
    """The positions that begin a run of ``length`` ones side by side."""
    begins = positions[: max(len(positions) - length + 1, 0)]
    return begins[positions[length - 1 :] - begins == length - 1]


def _utf8_width(codes: np.ndarray) -> np.ndarray:
    return 1 + (codes >= 0x80).astype(np.int64) + (codes >= 0x800) + (codes >= 0x10000)
