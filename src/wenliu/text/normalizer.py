"""Cleaning: the rules in their order, one text or a column at a time, with the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from wenliu.text import masking, rules
from wenliu.text.edits import Edits, Stretch, apply_replacements, compose, stretches_of
from wenliu.text.emoji_words import Emoji
from wenliu.text.html_remains import Html
from wenliu.text.rules import Rule
from wenliu.text.scan import Scan, Scanner
from wenliu.text.settings import TextSettings
from wenliu.text.simplify import Simplify
from wenliu.text.string_columns import content_of, list_array, string_array
from wenliu.text.tally import Tally

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Normalizer", "Tally", "TextSettings"]

#: Characters scanned at once.
_BLOCK = 200_000
#: A scan takes as long (some 80 µs) as every rule on so many characters: a request to a server.
_FEW = 200


class Normalizer:
    """Cleans texts as :class:`TextSettings` say.

    All ways give the same text for every string there is, lone surrogates included.

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
        self._scanner = Scanner(self._rules, settings.repeats)

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

    def clean_batch(self, texts: Sequence[str]) -> list[str]:
        """The cleaned texts, in order."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        if lengths.sum() < _FEW:
            return [self.clean(text) for text in texts]
        cleaned: list[str] = []
        for rows in _blocks(lengths):
            part, ends = texts[rows], np.cumsum(lengths[rows])
            scan = self._scanner.scan("".join(part), ends)
            marks = scan.pending.tolist(), scan.translated.tolist(), ends.tolist()
            for text, pending, translated, end in zip(part, *marks, strict=True):
                if translated:
                    text = scan.text[end - len(text) : end]
                elif pending:
                    text = self._run(text, pending)
                cleaned.append(text)
        return cleaned

    def clean_column(
        self, texts: pa.StringArray, tally: Tally | None = None
    ) -> tuple[pa.StringArray, pa.ListArray]:
        """The cleaned texts, and for every text the flat form of its :class:`Edits`.

        Args:
            texts: Without nulls.
            tally: Is counted up.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if tally is not None:
            tally.open(self.names)
        lengths = pc.utf8_length(texts).to_numpy().astype(np.int64)
        pieces = [
            self._clean_block(texts[rows], np.cumsum(lengths[rows]), tally)
            for rows in _blocks(lengths)
        ]
        if not pieces:
            return texts, pa.array([], pa.list_(pa.int32()))
        return tuple(map(pa.concat_arrays, zip(*pieces, strict=True)))

    def _clean_block(
        self, texts: pa.StringArray, ends: np.ndarray, tally: Tally | None
    ) -> tuple[pa.StringArray, pa.ListArray]:
        """Translates most of the rows that need something, and runs the rules on the others."""
        import pyarrow as pa
        import pyarrow.compute as pc

        content, offsets = content_of(texts)
        block = str(content, "utf-8")
        scan = self._scanner.scan(block, ends)
        translated = scan.translated
        if tally is not None:
            translated = translated & ~self._shown(scan, tally)
        slow = (scan.pending != 0) & ~translated
        cleaned = texts
        if translated.any():
            offsets[1:] += scan.growth(ends)
            cleaned = string_array(scan.text.encode(), offsets)
        starts = ends - np.diff(ends, prepend=0)
        old = [block[starts[row] : ends[row]] for row in np.flatnonzero(slow)]
        new: list[str] = []
        edits: list[list[int] | None] = []
        for text, pending in zip(old, scan.pending[slow].tolist(), strict=True):
            trail: list[Stretch] = []
            new.append(self._run(text, pending, tally, trail))
            edits.append(Edits(trail).flat)
        if old:
            cleaned = pc.replace_with_mask(cleaned, slow, pa.array(new, pa.string()))
        if tally is not None:
            changed = [pair for pair in zip(old, new, strict=True) if pair[0] is not pair[1]]
            tally.add_rows(
                rows=len(ends),
                changed=int(translated.sum()) + len(changed),
                blank=sum(bool(before.strip()) and not after.strip() for before, after in changed),
                before=len(block),
                after=len(block) + sum(map(len, new)) - sum(map(len, old)),
            )
            self._count(scan, translated, tally)
        return cleaned, _edits_array(edits, slow)

    def _shown(self, scan: Scan, tally: Tally) -> np.ndarray:
        """The rows that samples are wanted of: the first ones of each rule."""
        shown = np.zeros(len(scan.pending), bool)
        for rule, bit in self._scanner.charwise:
            concerned = np.flatnonzero(scan.translated & (scan.pending & bit != 0))
            shown[concerned[: tally.wanted(rule)]] = True
        return shown

    def _count(self, scan: Scan, translated: np.ndarray, tally: Tally) -> None:
        """Counts what was done by translation."""
        flags = scan.flags_in(translated)
        for rule, bit in self._scanner.charwise:
            rows = np.count_nonzero(scan.pending[translated] & bit)
            tally.add_plain(rule, int(rows), int(np.count_nonzero(flags & bit)))

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


def _blocks(lengths: np.ndarray) -> Iterator[slice]:
    """Rows in blocks of some ``_BLOCK`` characters; a longer row is a block of its own."""
    ends = np.cumsum(lengths)
    first = 0
    while first < len(ends):
        begin = ends[first] - lengths[first]
        last = max(int(np.searchsorted(ends, begin + _BLOCK)), first + 1)
        yield slice(first, last)
        first = last


def _edits_array(edits: list[list[int] | None], slow: np.ndarray) -> pa.ListArray:
    """The column ``edits``: those of the slow rows, null elsewhere."""
    import pyarrow as pa

    flat = [number for row in edits for number in row or ()]
    counts = np.zeros(len(slow), np.int64)
    counts[slow] = [len(row or ()) for row in edits]
    return list_array(pa.array(flat, pa.int32()), counts, missing=counts == 0)


def _can_enable(rule: Rule, later: Rule) -> bool:
    """Whether a change by ``rule`` can give ``later`` something to do that it had not before."""
    if rule.writes is None or later.name == "repeats":
        return True  # a run grows by what is written, and by what comes together
    comes_together = rule.deletes and rule.name != "repeats"
    if later.name == "whitespace":
        return comes_together or any(map(str.isspace, rule.writes))
    if later.together > 1 and comes_together:
        return True
    return not set(rule.writes).isdisjoint(later.signs or "")


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
