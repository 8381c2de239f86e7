"""What a tokenizer does not know, counted by cause.

Vocabularies lose text silently: 27 % of ChnSentiCorp's rows hold an ``[UNK]`` when
bert-base-chinese is used as the hub ships it, mostly capitals and curly quotes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wenliu.text.encoding import special_id, token_rows, token_spans
from wenliu.text.vocabulary import is_han, is_punctuation

if TYPE_CHECKING:
    from tokenizers import Tokenizer

CAUSES = ("uppercase", "punctuation", "emoji", "rare_han", "other")
_SAMPLES = 5


class UnknownTally:
    """Counts the ``[UNK]`` tokens of texts, batch by batch."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._unknown = special_id(tokenizer, "[UNK]")
        self._rows = self._tokens = self._unknown_rows = 0
        self._cause_rows: Counter[str] = Counter()
        self._pieces: dict[str, Counter[str]] = defaultdict(Counter)

    def add(self, texts: Sequence[str]) -> list[int]:
        """Counts a batch; returns the token count of each text, without special tokens."""
        rows = token_rows(self._tokenizer, texts)
        for text, ids in zip(texts, rows, strict=True):
            self._rows += 1
            self._tokens += len(ids)
            if self._unknown in ids:
                self._add_unknown(text)
        return [len(ids) for ids in rows]

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

    def _add_unknown(self, text: str) -> None:
        self._unknown_rows += 1
        ids, spans = token_spans(self._tokenizer, text)
        causes = set()
        for token_id, (start, end) in zip(ids, spans, strict=True):
            if token_id == self._unknown:
                piece = text[start:end]
                cause = self._cause(piece)
                causes.add(cause)
                self._pieces[cause][piece[:20]] += 1
        self._cause_rows.update(causes)

    def _cause(self, piece: str) -> str:
        """Why a piece of text is unknown: the first cause that applies."""
        lowered = piece.lower()
        if lowered != piece and self._unknown not in token_rows(self._tokenizer, [lowered])[0]:
            return "uppercase"
        if all(is_punctuation(c) for c in piece):
            return "punctuation"
        if any(_is_emoji(c) for c in piece):
            return "emoji"
        return "rare_han" if any(is_han(c) for c in piece) else "other"


def _is_emoji(character: str) -> bool:
    point = ord(character)
    return 0x1F000 <= point <= 0x1FAFF or 0x2600 <= point <= 0x27BF or point in (0x2B50, 0xFE0F)
