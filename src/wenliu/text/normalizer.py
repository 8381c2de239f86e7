"""Cleaning: the rules in their order, one text or a column at a time, with the way back.

Most rows of a real column need most rules not at all. So a column is first looked up code point by
code point in a table that says which rules could care (numpy, some 100 million characters a
second), and only those rules run on only those rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np

from wenliu.text import masking, rules
from wenliu.text.edits import Edits, Stretch, apply_replacements, compose, stretches_of
from wenliu.text.emoji_words import Emoji
from wenliu.text.html_remains import Html
from wenliu.text.rules import Rule
from wenliu.text.settings import TextSettings
from wenliu.text.simplify import Simplify
from wenliu.text.tally import Tally

__all__ = ["Normalizer", "Tally", "TextSettings"]

_CHUNK_CHARACTERS = 500_000
#: Phone and identity numbers hold at least that many digits in a row.
_DIGITS = 4


class Normalizer:
    """Cleans texts as :class:`TextSettings` say.

    All three ways give the same text for every string there is, lone surrogates included.

    Args:
        settings: The resolved rules.
    """

    def __init__(self, settings: TextSettings) -> None:
        self.settings = settings
        self._rules = _rules(settings)
        self.names = [rule.name for rule in self._rules]
        self._all = (1 << len(self._rules)) - 1
        self._enabled = [
            sum(
                1 << later
                for later in range(index + 1, len(self._rules))
                if _can_enable(rule, self._rules[later])
            )
            for index, rule in enumerate(self._rules)
        ]

    def clean(self, text: str) -> str:
        """The cleaned text."""
        return self._run(text, self._all)

    def clean_with_edits(self, text: str) -> tuple[str, Edits]:
        """The cleaned text and the map of its positions.

        A character that another one stands for (case, width, script) keeps its place and is no
        edit: the map is the identity exactly when every position is what it was.
        """
        trail: list[Stretch] = []
        return self._run(text, self._all, trail=trail), Edits(trail)

    def clean_batch(self, texts: Sequence[str], tally: Tally | None = None) -> list[str]:
        """The cleaned texts, in order; ``tally`` is counted up."""
        cleaned: list[str] = []
        for batch in self._batches(texts, tally):
            run = self._run
            new = [
                run(text, pending, tally) if pending else text
                for text, pending in zip(batch, self._pending(batch), strict=True)
            ]
            if tally is not None:
                tally.add_rows(batch, new)
            cleaned += new
        return cleaned

    def clean_batch_with_edits(
        self, texts: Sequence[str], tally: Tally | None = None
    ) -> tuple[list[str], list[list[int] | None]]:
        """As :meth:`clean_batch`, and for every text the flat form of its :class:`Edits`."""
        cleaned: list[str] = []
        flats: list[list[int] | None] = []
        for batch in self._batches(texts, tally):
            new = []
            for text, pending in zip(batch, self._pending(batch), strict=True):
                trail: list[Stretch] = []
                new.append(self._run(text, pending, tally, trail) if pending else text)
                flats.append(Edits(trail).flat if trail else None)
            if tally is not None:
                tally.add_rows(batch, new)
            cleaned += new
        return cleaned, flats

    def _run(
        self,
        text: str,
        pending: int,
        tally: Tally | None = None,
        trail: list[Stretch] | None = None,
    ) -> str:
        """Runs the rules whose bits are set, and those that a change sets."""
        original = text
        while pending:
            lowest = pending & -pending
            pending ^= lowest
            index = lowest.bit_length() - 1
            rule = self._rules[index]
            found = rule.find(text)
            if not found:
                continue
            before, text = text, apply_replacements(text, found)
            pending |= self._enabled[index]
            if tally is not None:
                tally.add(rule.name, found, before, text)
            if trail is not None:
                moving = (
                    [part for part in found if len(part[2]) != part[1] - part[0]]
                    if rule.aligned
                    else found
                )
                trail[:] = compose(trail, stretches_of(moving))
        if trail and text == original:
            trail.clear()
        return text

    def _batches(self, texts: Sequence[str], tally: Tally | None) -> Iterator[list[str]]:
        if tally is not None:
            tally.open(self.names)
        batch: list[str] = []
        size = 0
        for text in texts:
            batch.append(text)
            size += len(text) + 1
            if size >= _CHUNK_CHARACTERS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    def _pending(self, texts: list[str]) -> list[int]:
        """For each text, the bits of the rules that could change it."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
        pending = np.zeros(len(texts), self._table.dtype)
        filled = np.flatnonzero(lengths)
        if len(filled):
            ends = np.cumsum(lengths[filled])
            starts = ends - lengths[filled]
            flags = self._table[codes]
            self._mark_runs(codes, flags)
            spaces = self._bit("whitespace")
            for edge in (starts, ends - 1):
                flags[edge[codes[edge] == 0x20]] |= spaces
            pending[filled] = np.bitwise_or.reduceat(flags, starts)
        return pending.tolist()

    def _mark_runs(self, codes: np.ndarray, flags: np.ndarray) -> None:
        """Marks what single characters do not tell. Runs over two texts do no harm."""
        same = codes[1:] == codes[:-1]
        blank = same & (codes[1:] == 0x20)
        flags[1:][blank] |= self._bit("whitespace")
        if self.settings.repeats:
            runs = _runs(same, min(self.settings.repeats, 3))
            flags[: len(runs)][runs] |= self._bit("repeats")
        numbers = self._bit("phones") | self._bit("id_numbers")
        if numbers:
            runs = _runs(codes - np.uint32(0x30) < 10, _DIGITS)
            flags[: len(runs)][runs] |= numbers

    def _bit(self, name: str) -> np.uint16:
        return np.uint16(1 << self.names.index(name) if name in self.names else 0)

    @cached_property
    def _table(self) -> np.ndarray:
        """Code point to the bits of the rules that care about it."""
        table = np.zeros(0x110000, np.uint16)
        for index, rule in enumerate(self._rules):
            signs = (rule.signs or "").encode("utf-32-le", "surrogatepass")
            table[np.frombuffer(signs, np.uint32)] |= np.uint16(1 << index)
        # A single space inside a text is as it should be: only runs and ends are looked at.
        odd = [code for code in range(0x3001) if chr(code).isspace() and code != 0x20]
        table[odd] |= self._bit("whitespace")
        return table


def _can_enable(rule: Rule, later: Rule) -> bool:
    """Whether a change by ``rule`` can give ``later`` something to do that it had not before."""
    if rule.writes is None:
        return True
    if later.signs is not None:
        return not set(rule.writes).isdisjoint(later.signs)
    # Only runs tell: a run grows by what is written, or by what comes together.
    if later.name == "repeats":
        return True
    wanted = str.isdigit if later.name in ("phones", "id_numbers") else str.isspace
    return (rule.deletes and rule.name != "repeats") or any(map(wanted, rule.writes))


def _runs(flags: np.ndarray, length: int) -> np.ndarray:
    """Where ``length`` flags in a row begin."""
    runs = flags
    for _ in range(length - 1):
        runs = runs[:-1] & flags[len(flags) - len(runs) + 1 :]
    return runs


def _rules(settings: TextSettings) -> list[Rule]:
    """The rules that are on, in their order.

    Width comes before HTML and links, so that these look alike in any width; repeats before
    emoji, so that a run of them is capped before it becomes a run of words.
    """
    seen: list[Rule] = []
    if settings.invisible:
        seen.append(rules.invisible())
    if settings.fullwidth:
        seen.append(rules.fullwidth())
    chosen = list(seen)
    if settings.html:

        def refine(text: str) -> str:
            for rule in seen:
                text = apply_replacements(text, rule.find(text))
            return text

        chosen.append(Html(refine))
    makers: dict[str, Callable[[str], Rule]] = {
        "urls": masking.Urls,
        "emails": masking.Emails,
        "mentions": masking.mentions,
        "phones": masking.phones,
        "id_numbers": masking.id_numbers,
    }
    chosen += [
        make(settings.masks[name]) for name, make in makers.items() if name in settings.masks
    ]
    if settings.simplify:
        chosen.append(Simplify())
    if settings.punctuation:
        chosen.append(rules.punctuation(settings.punctuation))
    if settings.lowercase:
        chosen.append(rules.lowercase())
    if settings.repeats:
        chosen.append(rules.Repeats(settings.repeats))
    if settings.emoji:
        chosen.append(Emoji(settings.emoji))
    if settings.whitespace:
        chosen.append(rules.Whitespace())
    return chosen
