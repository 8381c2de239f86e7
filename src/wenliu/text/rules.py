"""The rules of cleaning that look at single characters and runs of them.

A rule finds what it replaces: ascending, not overlapping replacements of at least one character
each. Everything else (the new text, the counts, the map of positions) follows from that, so the
fast path and the mapped path cannot disagree. Every pattern is linear in the length of the text.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import lru_cache

from wenliu.text.edits import Replacement


class Rule(ABC):
    """One rule of cleaning.

    Attributes:
        name: As in the parameters and the report.
        signs: Characters of which every text that the rule changes holds one; None when it is not
            single characters that tell.
        together: How many of ``signs`` stand side by side in every text that the rule changes.
        writes: Characters that its replacements consist of; None when they may be any.
        deletes: Whether replacements may be empty, so that what stood apart comes together.
        aligned: Replacements of the same length stand for the old characters one by one.
        charwise: Each of ``signs`` is replaced by the same string wherever it stands.
    """

    name: str
    signs: str | None = None
    together: int = 1
    writes: str | None = None
    deletes: bool = False
    aligned: bool = False
    charwise: bool = False

    @abstractmethod
    def find(self, text: str) -> list[Replacement]:
        """What to replace in ``text``."""


class PatternRule(Rule):
    """Replaces each match of a pattern by what a function of the match says."""

    def __init__(
        self,
        name: str,
        pattern: str,
        replace: Callable[[str], str],
        *,
        signs: str,
        writes: str,
        together: int = 1,
        deletes: bool = False,
        charwise: bool = False,
        flags: int = 0,
    ) -> None:
        self.name, self.signs, self.together = name, signs, together
        self.writes, self.deletes = writes, deletes
        self.aligned = self.charwise = charwise
        self._finditer = re.compile(pattern, flags).finditer
        self._replace = replace

    def find(self, text: str) -> list[Replacement]:
        """What to replace in ``text``."""
        replace = self._replace
        return [
            (match.start(), match.end(), new)
            for match in self._finditer(text)
            if (new := replace(match[0])) != match[0]
        ]


# Whitespace stays for the whitespace rule, and so do the separators U+2028 and U+2029.
INVISIBLE = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff"
)
_WIDE = "０-９Ａ-Ｚａ-ｚ\u3000"
_NARROW = {0x3000: 0x20, **{code: code - 0xFEE0 for code in range(0xFF10, 0xFF5B)}}


def expand(ranges: str) -> str:
    """All characters of a regular expression's class without escapes."""
    found = re.findall("(.)-(.)|(.)", ranges, re.DOTALL)
    return "".join(
        single or "".join(map(chr, range(ord(low), ord(high) + 1))) for low, high, single in found
    )


def compact(signs: str) -> str:
    """The inside of a class of these characters, as ranges.

    Beyond U+FFFF `re` tests the items of a class one by one: 1,300 single emoji made a scan 100
    times slower than their 60 ranges do.
    """
    codes = sorted(set(map(ord, signs)))
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and code == ranges[-1][1] + 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(
        f"{re.escape(chr(low))}-{re.escape(chr(high))}" if high > low else re.escape(chr(low))
        for low, high in ranges
    )


def invisible() -> Rule:
    """Drops controls, zero-width characters, marks of order and direction, lone surrogates."""
    return PatternRule(
        "invisible",
        f"[{INVISIBLE}]+",
        lambda _: "",
        signs=expand(INVISIBLE),
        writes="",
        deletes=True,
    )


def fullwidth() -> Rule:
    """Full-width letters, digits and blanks to half-width; punctuation such as ，：！？ stays."""
    return PatternRule(
        "fullwidth",
        f"[{_WIDE}]+",
        lambda run: run.translate(_NARROW),
        signs=expand(_WIDE),
        writes=expand(_WIDE).translate(_NARROW),
        charwise=True,
    )


def punctuation(folds: Mapping[str, str]) -> Rule:
    """Folds the punctuation that a vocabulary lacks."""
    signs = "".join(folds)
    return PatternRule(
        "punctuation",
        f"[{compact(signs)}]",
        folds.__getitem__,
        signs=signs,
        writes="".join(folds.values()),
        deletes="" in folds.values(),
        charwise=True,
    )


def lowercase() -> Rule:
    """Lower case, letter by letter (a final Σ becomes σ: positions and context stay apart).

    Letters beyond U+FFFF (Deseret, Adlam) are left: looking for them halves the speed.
    """
    signs = _cased()
    # U+0130 is the one letter that becomes two characters; alone, the others stay aligned.
    return PatternRule(
        "lowercase",
        f"\u0130|[{compact(signs.replace(chr(0x130), ''))}]+",
        lambda run: run.lower() if run.isascii() else "".join(map(str.lower, run)),
        signs=signs,
        writes=signs.lower(),
        charwise=True,
    )


@lru_cache(maxsize=1)
def _cased() -> str:
    return "".join(char for char in map(chr, range(0x10000)) if char.lower() != char)


class Repeats(Rule):
    """Caps runs of one character: 哈哈哈哈哈哈 says what 哈哈哈 says. Digits are left alone."""

    name, writes, deletes = "repeats", "", True

    def __init__(self, longest: int) -> None:
        self.longest = longest
        # Asking for all of a long run at every start would be quadratic: then any run is found.
        least = longest if longest <= 8 else 1
        self._finditer = re.compile(rf"(.)\1{{{least},}}", re.DOTALL).finditer

    def find(self, text: str) -> list[Replacement]:
        """The ends of runs that are too long."""
        longest = self.longest
        found: list[Replacement] = []
        for match in self._finditer(text):
            start, end = match.span()
            if end - start > longest and not (match[1].isdigit() or match[1].isspace()):
                found.append((start + longest, end, ""))
        return found


class Whitespace(Rule):
    """Runs of whitespace become one space; none is left at the ends."""

    name, writes, deletes = "whitespace", " ", True
    _finditer = re.compile(r"\s+").finditer

    def find(self, text: str) -> list[Replacement]:
        """Runs that are not a single space between two words."""
        last = len(text)
        found = []
        for match in self._finditer(text):
            start, end = match.span()
            new = "" if start == 0 or end == last else " "
            if match[0] != new:
                found.append((start, end, new))
        return found
