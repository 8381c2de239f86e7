"""The rule from traditional to simplified characters."""

from __future__ import annotations

import re

from wenliu.text.edits import Replacement
from wenliu.text.rules import Rule, compact


class Simplify(Rule):
    """Traditional to simplified by OpenCC's t2s, which knows words (乾隆 stays, 乾燥 does not)."""

    name, aligned = "simplify", True
    _lone = re.compile("[\ud800-\udfff]")

    def __init__(self) -> None:
        from opencc import OpenCC

        self._convert = OpenCC("t2s").convert
        changeable = self._changeable()
        self.signs = changeable
        self.writes = self._convert(changeable)
        basic = compact("".join(char for char in changeable if char <= "\uffff"))
        self._search = re.compile(f"[{basic}\U00020000-\U0003ffff]").search

    def find(self, text: str) -> list[Replacement]:
        """Runs of characters that change."""
        if not self._search(text):
            return []
        old = self._lone.sub("\ufffd", text)
        new = self._convert(old)
        if len(new) == len(old):
            return _differing_runs(old, new)
        head = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]))
        tail = 0
        while tail < min(len(old), len(new)) - head and old[-1 - tail] == new[-1 - tail]:
            tail += 1
        return [(head, len(old) - tail, new[head : len(new) - tail])]

    def _changeable(self) -> str:
        blocks = [(0x3400, 0xA000), (0xF900, 0xFB00), (0x20000, 0x323B0)]
        han = [chr(code) for low, high in blocks for code in range(low, high)]
        simplified = self._convert("\n".join(han)).split("\n")
        return "".join(old for old, new in zip(han, simplified, strict=True) if old != new)


def _differing_runs(old: str, new: str) -> list[Replacement]:
    runs: list[list[int]] = []
    for index, (before, after) in enumerate(zip(old, new, strict=True)):
        if before != after:
            if runs and runs[-1][1] == index:
                runs[-1][1] = index + 1
            else:
                runs.append([index, index + 1])
    return [(start, end, new[start:end]) for start, end in runs]
