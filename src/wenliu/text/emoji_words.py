"""Chinese words for emoji, from the ``emoji`` package (Unicode's CLDR names), and their rule."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from wenliu.text.edits import Replacement
from wenliu.text.rules import Rule, compact, expand

#: Skin tones.
MODIFIERS = "".join(map(chr, range(0x1F3FB, 0x1F400)))
REGIONAL = "\U0001f1e6-\U0001f1ff"
KEYCAP = "\u20e3"
_SELECTORS = re.compile("[\ufe00-\ufe0f]")
_JOINER = "\u200d"
# Signs of ordinary text that only a variation selector turns into emoji.
_TEXT_SIGNS = frozenset("©®™ℹ‼⁉↔↕↖↗↘↙↩↪▪▫◻◼◽◾〰〽㊗㊙Ⓜ➕➖➗✖✔♀♂♾⤴⤵⬅⬆⬇")


def emoji_words() -> dict[str, str]:
    """Emoji without variation selectors, to its Chinese name.

    Single characters, flags and keycaps. What is joined of several (families, professions) falls
    apart when zero-width characters are dropped, and is worded part by part; skin tones are left
    out of the words.
    """
    import emoji

    emoji.config.load_language("zh")
    words: dict[str, str] = {}
    for sign, names in emoji.EMOJI_DATA.items():
        plain = _SELECTORS.sub("", sign)
        if _JOINER in plain or "zh" not in names or not _is_supported(plain):
            continue
        word = names["zh"].strip(":").removeprefix("按键_").replace("_", "")
        words[plain] = unicodedata.normalize("NFKC", word)
    words.update(dict.fromkeys(MODIFIERS, ""))
    return words


def _is_supported(sign: str) -> bool:
    if len(sign) == 1:
        return sign not in _TEXT_SIGNS
    flag = len(sign) == 2 and re.fullmatch(f"[{REGIONAL}]{{2}}", sign) is not None
    return flag or (len(sign) == 2 and sign[1] == KEYCAP)


class Emoji(Rule):
    """Emoji by words; a skin tone goes with its emoji."""

    name = "emoji"

    def __init__(self, words: Mapping[str, str]) -> None:
        self._words = words
        single = "".join(sign for sign in words if len(sign) == 1 and sign not in MODIFIERS)
        tones = "".join(sign for sign in words if sign in MODIFIERS)
        self.signs = single + tones + KEYCAP + expand(REGIONAL)
        self.writes = "".join(words.values())
        self.deletes = "" in words.values()
        parts = [f"[{REGIONAL}]{{2}}", f"[0-9#*]{KEYCAP}"]
        parts += [f"[{compact(single)}][{MODIFIERS}]?"] if single else []
        parts += [f"[{compact(tones)}]"] if tones else []
        # Most characters are none, and one range is ten times as fast to ask about as sixty.
        basic = compact("".join(sign for sign in self.signs or "" if sign <= "\uffff"))
        rough = f"{basic}\U0001f000-\U0001ffff"
        self._search = re.compile(f"[{rough}]").search
        self._finditer = re.compile(f"(?=[0-9#*{rough}])(?:{'|'.join(parts)})").finditer

    def find(self, text: str) -> list[Replacement]:
        """The emoji that have a word."""
        if not self._search(text):
            return []
        return [
            (match.start(), match.end(), new)
            for match in self._finditer(text)
            if (new := self._word(match[0])) != match[0]
        ]

    def _word(self, sign: str) -> str:
        known = self._words.get(sign)
        if known is None and sign[1:] in MODIFIERS:
            known = self._words.get(sign[0])
        return sign if known is None else known
