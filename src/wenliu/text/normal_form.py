"""The fixed form by which two texts count as the same, whatever the cleaning parameters say.

Splitting hashes it and the audit compares it, so it must never change: a new form gets a new
function with a new number, and rows that were split by the old one keep it.
"""

from __future__ import annotations

import re
import unicodedata

from wenliu.text.traditional import simplify_characters

# Written out and not asked of `unicodedata`, whose categories change with the Python version.
# Controls, soft hyphen, joiners, fillers, bidi marks, variation selectors, tags, surrogates.
_UNSEEN_V1 = re.compile(
    "[\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f"
    "\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff\ud800-\udfff]+"
)


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
