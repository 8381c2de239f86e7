"""Tokens of runs: stretches of text that a look-up does not settle, each tokenized only once.

Words repeat, so nearly every run of a corpus is met again. The real tokenizer is asked the first
time; from then on its answer is copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from wenliu.text.tokens import Tokens, concatenated, offsets_of, ranges

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Above either the cache is emptied and begins again: some 30 MB, and hostile texts, whose runs
#: never repeat, cannot fill the memory.
MAX_RUNS, MAX_CHARACTERS = 100_000, 2_000_000
#: Runs handed to the tokenizer as one text, a line each: three times as fast as each by itself.
_LINES = 100


class RunCache:
    """Runs and what they become. Not safe to share between threads.

    Args:
        bare: As for ``CodePointTable``: a line feed must end words.
    """

    def __init__(self, bare: Tokenizer) -> None:
        self._bare = bare
        self._clear()

    def tokens(self, runs: Sequence[str], spans: bool) -> Tokens:
        """Tokens of runs, each a text of its own."""
        find = self._numbers.__getitem__
        try:
            numbers = np.fromiter(map(find, runs), np.int64, len(runs))
        except KeyError:
            self._learn(runs)
            numbers = np.fromiter(map(self._numbers.__getitem__, runs), np.int64, len(runs))
        first = self._known.offsets[numbers]
        counts = self._known.offsets[numbers + 1] - first
        source = ranges(first, counts)
        known = self._known.spans
        covered = known[source] if spans and known is not None else None
        return Tokens(self._known.ids[source], offsets_of(counts), covered)

    def _clear(self) -> None:
        self._numbers: dict[str, int] = {}
        self._characters = 0
        self._known = Tokens(
            np.zeros(0, dtype=np.int32),
            np.zeros(1, dtype=np.int64),
            np.zeros((0, 2), dtype=np.int32),
        )

    def _learn(self, runs: Sequence[str]) -> None:
        if len(self._numbers) > MAX_RUNS or self._characters > MAX_CHARACTERS:
            self._clear()
        missing = [run for run in dict.fromkeys(runs) if run not in self._numbers]
        self._characters += sum(map(len, missing))
        groups = [missing[i : i + _LINES] for i in range(0, len(missing), _LINES)]
        encodings = self._bare.encode_batch(["\n".join(group) for group in groups])
        parts = [self._known]
        for group, encoding in zip(groups, encodings, strict=True):
            lines = offsets_of(np.array([len(run) + 1 for run in group]))
            spans = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
            line = np.searchsorted(lines, spans[:, 0], side="right") - 1
            parts.append(
                Tokens(
                    np.array(encoding.ids, dtype=np.int32),
                    offsets_of(np.bincount(line, minlength=len(group))),
                    (spans - lines[line, None]).astype(np.int32),
                )
            )
        self._known = concatenated(parts)
        self._numbers.update({run: n for n, run in enumerate(missing, len(self._numbers))})
