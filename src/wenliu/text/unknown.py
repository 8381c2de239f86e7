"""What a tokenizer does not know, counted by cause.

Vocabularies lose text silently: 27 % of ChnSentiCorp's rows hold an ``[UNK]`` when
bert-base-chinese is used as the hub ships it, mostly capitals and curly quotes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.text.encoding import special_id
from wenliu.text.fast_tokenizer import FastTokenizer
from wenliu.text.vocabulary import is_han, is_punctuation

CAUSES = ("uppercase", "punctuation", "emoji", "rare_han", "other")
_SAMPLES = 5


class UnknownTally:
    """Counts the ``[UNK]`` tokens of texts, batch by batch."""

    def __init__(self, tokenizer: FastTokenizer) -> None:
        self._tokenizer = tokenizer
        self._unknown = special_id(tokenizer, "[UNK]")
        self._rows = self._tokens = self._unknown_rows = 0
        self._cause_rows: Counter[str] = Counter()
        self._pieces: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Counts a batch; returns the token count of each text, without special tokens."""
        tokens = self._tokenizer.tokenize(texts, spans=True)
        assert tokens.spans is not None
        places = np.flatnonzero(tokens.ids == self._unknown)
        rows = tokens.rows_of(places).tolist()
        spans = tokens.spans[places].tolist()
        pieces = [texts[row][start:end] for row, (start, end) in zip(rows, spans, strict=True)]
        causes = self._causes(list(dict.fromkeys(pieces)))
        for piece in pieces:
            self._pieces[causes[piece]][piece[:20]] += 1
        row_causes = {(row, causes[piece]) for row, piece in zip(rows, pieces, strict=True)}
        self._cause_rows.update(cause for _, cause in row_causes)
        self._rows += len(texts)
        self._tokens += len(tokens.ids)
        self._unknown_rows += len(set(rows))
        return np.diff(tokens.offsets)

    def report(self) -> dict[str, Any]:
        """Rows and tokens with ``[UNK]``, their shares, and the same by cause with samples."""
        tokens = sum(pieces.total() for pieces in self._pieces.values())
        return {
            "rows": self._unknown_rows,
            "row_share": self._unknown_rows / max(1, self._rows),
            "tokens": tokens,
            "token_share": tokens / max(1, self._tokens),
            "by_cause": {
                cause: {
                    "rows": self._cause_rows[cause],
                    "row_share": self._cause_rows[cause] / max(1, self._rows),
                    "tokens": self._pieces[cause].total(),
                    "samples": [piece for piece, _ in self._pieces[cause].most_common(_SAMPLES)],
                }
                for cause in CAUSES
            },
        }

    def counts(self) -> dict[str, Any]:
        """Everything counted so far, as JSON can hold it: what :meth:`merge` takes."""
        return {
            "rows": self._rows,
            "tokens": self._tokens,
            "unknown_rows": self._unknown_rows,
            "cause_rows": dict(self._cause_rows),
            "pieces": {cause: dict(pieces) for cause, pieces in self._pieces.items()},
        }

    def merge(self, counts: dict[str, Any]) -> None:
        """Adds what another tally counted."""
        self._rows += counts["rows"]
        self._tokens += counts["tokens"]
        self._unknown_rows += counts["unknown_rows"]
        self._cause_rows.update(counts["cause_rows"])
        for cause, pieces in counts["pieces"].items():
            self._pieces[cause].update(pieces)

    def _causes(self, pieces: Sequence[str]) -> dict[str, str]:
        """Why each piece of text is unknown."""
        lowered = [piece.lower() for piece in pieces]
        tokens = self._tokenizer.tokenize(lowered)
        unknown = set(tokens.rows_of(np.flatnonzero(tokens.ids == self._unknown)).tolist())
        return {
            piece: "uppercase" if lower != piece and row not in unknown else _cause(piece)
            for row, (piece, lower) in enumerate(zip(pieces, lowered, strict=True))
        }


def _cause(piece: str) -> str:
    """The first cause that applies, casing apart."""
    if all(is_punctuation(c) for c in piece):
        return "punctuation"
    if any(_is_emoji(c) for c in piece):
        return "emoji"
    return "rare_han" if any(is_han(c) for c in piece) else "other"


def _is_emoji(character: str) -> bool:
    point = ord(character)
    return 0x1F000 <= point <= 0x1FAFF or 0x2600 <= point <= 0x27BF or point in (0x2B50, 0xFE0F)
