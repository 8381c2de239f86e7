"""The same text as other people type it: what a model's answer should not depend on.

Width, case, zero-width characters and byte order marks change nothing that a reader sees, and
cleaning takes them away. Traditional characters and homophones change what the model reads.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

_WIDE = {code: code + 0xFEE0 for code in range(0x21, 0x7F) if chr(code).isalnum()} | {0x20: 0x3000}
_ZERO_WIDTH = "\u200b"


def full_width(text: str) -> str:
    """Letters, digits and blanks as wide as Chinese characters.

    Signs stay: a wide comma is the Chinese comma, another sign with a token id of its own.
    """
    return text.translate(_WIDE)


def swap_case(text: str) -> str:
    """ASCII capitals for small letters and the other way round."""
    return "".join(char.swapcase() if char.isascii() else char for char in text)


def with_zero_width(text: str, generator: np.random.Generator) -> str:
    """A zero-width blank at some three places, as copying from web pages leaves them."""
    for place in sorted(generator.integers(0, len(text) + 1, 3).tolist(), reverse=True):
        text = text[:place] + _ZERO_WIDTH + text[place:]
    return text


def with_byte_order_mark(text: str) -> str:
    """U+FEFF at the front, as a file that was read as plain UTF-8 leaves it."""
    return "\ufeff" + text


def traditional(text: str) -> str:
    """Simplified to traditional characters (OpenCC's s2t)."""
    return _to_traditional()(text)


def homophones(text: str, generator: np.random.Generator, share: float = 0.1) -> str:
    """Replaces one in ten characters by a common one of the same sound and tone.

    Args:
        text: Simplified Chinese; other characters stay.
        generator: Chooses places and characters.
        share: Of the Chinese characters that have a homophone; at least one is replaced.

    Raises:
        ModuleNotFoundError: pypinyin, of the extra ``benchmark``, is not installed.
    """
    alike = _homophones()
    places = [place for place, char in enumerate(text) if char in alike]
    if not places:
        return text
    changed = list(text)
    count = max(1, round(share * len(places)))
    for place in generator.choice(places, count, replace=False).tolist():
        others = alike[changed[place]]
        changed[place] = others[int(generator.integers(len(others)))]
    return "".join(changed)


@cache
def _to_traditional() -> Callable[[str], str]:
    from opencc import OpenCC

    convert: Callable[[str], str] = OpenCC("s2t").convert
    return convert


@cache
def _homophones() -> dict[str, str]:
    """Character to the other common characters that sound like it.

    Common are the 3,755 characters of GB 2312's first level, which pinyin input offers first.
    """
    from pypinyin import Style, pinyin

    common = [bytes((high, low)) for high in range(0xB0, 0xD8) for low in range(0xA1, 0xFF)]
    chars = "".join(code.decode("gb2312", "ignore") for code in common)
    by_sound: dict[str, str] = {}
    sounds = {char: pinyin(char, style=Style.TONE3)[0][0] for char in chars}
    for char, sound in sounds.items():
        by_sound[sound] = by_sound.get(sound, "") + char
    return {
        char: others
        for char, sound in sounds.items()
        if (others := by_sound[sound].replace(char, ""))
    }
