"""The fixed form by which two texts count as the same, whatever the cleaning parameters say.

Splitting hashes it and the audit compares it, so it must never change: a new form gets a new
function with a new number, and rows that were split by the old one keep it.

``normal_form_v1`` says what the form is; ``normal_forms_v1`` gives the same for many texts, some
ten times as fast: a character whose form does not depend on its neighbours is looked up in a table
that fills itself from ``normal_form_v1``, and a text with any other goes to ``normal_form_v1``.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from wenliu.text.traditional import simplify_characters

# Written out and not asked of `unicodedata`, whose categories change with the Python version.
# Controls, soft hyphen, joiners, fillers, bidi marks, variation selectors, tags, surrogates.
_UNSEEN_V1 = re.compile(
    "[\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]+"
)
#: Texts are joined up to about this length: the arrays of one block stay in the second cache.
_BLOCK_CHARACTERS = 100_000
_CODE_POINTS = 0x110000


def normal_form_v1(text: str) -> str:
    """NFKC, lower case, simplified, without whitespace and without anything that cannot be seen.

    Two texts that differ in width, case, script (character by character), blanks, zero-width
    characters or byte order marks have one normal form. It is for comparing and hashing, never
    for reading: it has no offsets.
    """
    seen = _UNSEEN_V1.sub("", text)
    if seen.isascii():
        return seen.lower()
    # Twice, because lower-casing can leave what NFKC would compose, and NFKC can make blanks
    # (U+00A8 becomes a space and a combining mark).
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", seen).lower())
    return simplify_characters(_UNSEEN_V1.sub("", folded))


def normal_forms_v1(texts: Sequence[str]) -> list[str]:
    """``normal_form_v1`` of every text."""
    forms: list[str] = []
    start = size = 0
    for index, text in enumerate(texts):
        size += len(text)
        if size >= _BLOCK_CHARACTERS:
            forms += _table().forms(texts[start : index + 1])
            start, size = index + 1, 0
    return forms + _table().forms(texts[start:])


class _Table:
    """Normal forms by code point, learned when a code point is first met.

    Attributes:
        widths: ``(0x110000,)`` characters of the form; ``_UNKNOWN`` and ``_DEPENDS`` are no widths.
        first: ``(0x110000,)`` the first character of the form.
        longer: Forms of more than one character.
    """

    _UNKNOWN, _DEPENDS = 255, 254

    def __init__(self) -> None:
        self.widths = np.full(_CODE_POINTS, self._UNKNOWN, np.uint8)
        self.first = np.zeros(_CODE_POINTS, np.uint32)
        self.longer: dict[int, str] = {}

    def forms(self, texts: Sequence[str]) -> list[str]:
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        if not len(codes):
            return [""] * len(texts)
        widths = self.widths[codes]
        if widths.max() == self._UNKNOWN:
            for code in np.unique(codes[widths == self._UNKNOWN]).tolist():
                self._learn(code)
            widths = self.widths[codes]
        ends = np.cumsum(lengths)
        depends = np.flatnonzero(widths == self._DEPENDS)
        # One character stands for the whole of a text that is done again below.
        widths[depends] = 1
        written = np.repeat(self.first[codes], widths)
        # Where the form of each character ends in what is written, after a 0 for the beginning.
        places = np.concatenate([[0], np.cumsum(widths, dtype=np.int64)])
        for at in np.flatnonzero(widths > 1):
            form = self.longer[int(codes[at])]
            written[places[at] : places[at + 1]] = [ord(char) for char in form]
        joined = written.tobytes().decode("utf-32-le", "surrogatepass")
        borders = [0, *places[ends].tolist()]
        forms = [joined[a:b] for a, b in pairwise(borders)]
        for row in np.unique(np.searchsorted(ends, depends, side="right")).tolist():
            forms[row] = normal_form_v1(texts[row])
        return forms

    def _learn(self, code: int) -> None:
        form = normal_form_v1(chr(code))
        if len(form) >= self._DEPENDS or _depends_on_neighbours(chr(code)):
            self.widths[code] = self._DEPENDS
            return
        self.widths[code] = len(form)
        self.first[code] = ord(form[0]) if form else 0
        if len(form) > 1:
            self.longer[code] = form


@cache
def _table() -> _Table:
    return _Table()


def _depends_on_neighbours(char: str) -> bool:
    """Whether the form of a text is more than the forms of its characters, put together.

    Normalising goes character by character where each begins a new sequence (Unicode Standard
    Annex #15, section 9: starters that no composition can end with), before and after
    lower-casing; lower-casing does for all but the sigma, which looks for the end of the word.
    """
    if _UNSEEN_V1.match(char):
        return False
    composed = unicodedata.normalize("NFKC", char)
    return (
        "Σ" in composed
        or not _begins_a_sequence(composed)
        or not _begins_a_sequence(composed.lower())
    )


def _begins_a_sequence(text: str) -> bool:
    first = unicodedata.normalize("NFKD", text)[:1]
    return unicodedata.combining(first) == 0 and first not in _composition_ends()


@cache
def _composition_ends() -> frozenset[str]:
    """Characters that a composition can end with: NFC_Quick_Check=Maybe, and a few more."""
    # Canonical decompositions come in pairs; beyond the third plane there are none.
    ends = {
        parts[1]
        for code in range(0x30000)
        if len(parts := unicodedata.decomposition(chr(code)).split()) == 2
        and not parts[0].startswith("<")
    }
    jamo = map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))
    return frozenset(chr(int(end, 16)) for end in ends).union(jamo)
