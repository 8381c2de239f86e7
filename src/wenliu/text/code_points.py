"""What BERT's tokenizer does with one code point, wherever it stands: a table learned from it.

Some code points *separate*: whatever stands left of them is tokenized as if nothing followed, and
whatever stands right of them as if nothing came before. Blanks do, Chinese characters and
punctuation do. A text is then tokenized piece by piece: each separator by a look-up, each run of
other code points between two separators as a text of its own.

Why that is exact, for a tokenizer of BERT's normalizer, BERT's pre-tokenizer and WordPiece. Of the
normalizer's steps three treat every code point by itself: dropping control characters, putting
blanks around Chinese ones, and lower-casing (no final sigma here). The fourth, NFD with
nonspacing marks left out, decomposes every code point by itself, then sorts neighbouring marks by
combining class, and no mark is ever sorted past a code point of class 0. So if no mark moves past
the decomposition of ``x``, neither from the left nor from the right, then ``N(u x v) = N(u) N(x)
N(v)`` for all texts ``u`` and ``v``. The pre-tokenizer cuts before and after blanks and
punctuation, again code point by code point. So if ``N(x)`` also begins and ends with one of those,
the words of ``u x v`` are those of ``u``, of ``x`` and of ``v``. WordPiece sees one word at a time.

Each code point is asked about with the tokenizer's own normalizer and NFD, never with Python's
tables, whose Unicode version is another. Whatever is not proven to be a separator counts as part of
a run, which is always right, only slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tokenizers import Tokenizer

#: Values of the table below 0; from 0 on a value is the one token id of a separator.
BLANK, IN_RUN, UNSEEN = -1, -2, -3

#: The highest combining class there is (240) and the lowest above 0 (1): the first is sorted behind
#: any other mark, the second before.
_LAST_MARK, _FIRST_MARK = "\u0345", "\u0334"
#: Code points asked about in one call.
_LINES = 1_000


class CodePointTable:
    """Code point to token id, ``BLANK`` or ``IN_RUN``.

    Args:
        bare: A tokenizer of BERT's normalizer and pre-tokenizer and WordPiece, no added tokens.

    Raises:
        ValueError: If the line feed is no blank to it.
    """

    def __init__(self, bare: Tokenizer) -> None:
        from tokenizers.normalizers import NFD

        self._bare = bare
        self._nfd = NFD()
        self._values = np.full(0x110000, UNSEEN, dtype=np.int32)
        if [span for _, span in bare.pre_tokenizer.pre_tokenize_str("a\na")] != [(0, 1), (2, 3)]:
            raise ValueError("A line feed does not end a word in this tokenizer.")
        self._values[ord("\n")] = BLANK

    def look_up(self, points: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The values of code points, after asking the tokenizer about those never seen.

        Args:
            points: Any but lone surrogates.
        """
        # "clip" spares numpy the check of bounds that code points keep anyway: half the time.
        values = self._values.take(points, mode="clip")
        if values.size and values.min() == UNSEEN:
            unseen = np.unique(points[values == UNSEEN])
            for start in range(0, len(unseen), _LINES):
                self._learn(unseen[start : start + _LINES])
            values = self._values.take(points, mode="clip")
        return values

    def _learn(self, points: NDArray[np.uint32]) -> None:
        """Puts each code point between two letters, a line each: lines never touch each other.

        Three tokens of three words, one for each code point, or two words of which neither
        covers the code point: it separates. Anything else, a letter that joined a word, a mark, a
        control character that fell away, shows in the words or in their spans.
        """
        characters = [chr(point) for point in points.tolist()]
        encoding = self._bare.encode("\n".join(f"a{c}a" for c in characters))
        starts, ends = np.array(encoding.offsets, dtype=np.int64).T
        words = np.array(encoding.word_ids, dtype=np.int64)
        ids = np.array(encoding.ids, dtype=np.int32)
        first = np.searchsorted(starts, 4 * np.arange(len(points)))  # a line is 4 code points
        count = np.diff(first, append=len(ids))
        values = np.full(len(points), IN_RUN, dtype=np.int32)
        place = starts % 4 * 4 + (ends - 1) % 4  # 0, 5, 10: exactly one code point of the line
        for tokens, places, value in ((2, (0, 10), None), (3, (0, 5, 10), ids)):
            lines = np.flatnonzero(count == tokens)
            at = first[lines, None] + np.arange(tokens)
            apart = (np.diff(words[at], axis=1) > 0).all(axis=1)
            chosen = (place[at] == places).all(axis=1) & apart
            values[lines[chosen]] = BLANK if value is None else value[at[chosen, 1]]
        values[self._moves_marks(characters)] = IN_RUN
        self._values[points] = values

    def _moves_marks(self, characters: Sequence[str]) -> NDArray[np.bool_]:
        """Whether a mark beside the character is sorted past its beginning or its end."""
        text = "\n".join(f"{_LAST_MARK}{c}{_FIRST_MARK}" for c in characters)
        lines = self._nfd.normalize_str(text).split("\n")
        return np.array(
            [not (line[0] == _LAST_MARK and line[-1] == _FIRST_MARK) for line in lines], dtype=bool
        )
