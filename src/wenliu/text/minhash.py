"""MinHash signatures of character 3-grams, and the band keys that bring similar texts together.

Character 3-grams find 99.9 % of one-character edits, where word 5-grams find 16 %: Chinese has no
blanks to split at. The bands follow Broder (1997) and Leskovec, Rajaraman and Ullman, *Mining of
Massive Datasets*, chapter 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

#: At 24 bands of 3 rows a pair with Jaccard similarity 0.65 (one edit in 16 characters) is a
#: candidate with probability 0.9995, one with 0.1 with probability 0.02.
BANDS, ROWS = 24, 3
GRAM = 3
#: Texts are worked on in blocks of about so many characters: the working memory stays the same.
_BLOCK_CHARACTERS = 1 << 17

_random = np.random.Generator(np.random.PCG64(20_240_317))
_MULTIPLIERS = _random.integers(0, 2**32, BANDS * ROWS, dtype=np.uint32) | np.uint32(1)
_MASKS = _random.integers(0, 2**32, BANDS * ROWS, dtype=np.uint32)


def signatures(texts: Sequence[str]) -> np.ndarray:
    """MinHash signatures.

    Args:
        texts: Any strings; one shorter than three characters counts as a single 3-gram.

    Returns:
        (n, 72) uint32. Two rows agree in a column with a probability that is the Jaccard
        similarity of their sets of 3-grams.
    """
    result = np.empty((BANDS * ROWS, len(texts)), np.uint32)
    for start, end in _blocks(texts):
        result[:, start:end] = _signed(texts[start:end])
    return result.T


def band_keys(texts: Sequence[str]) -> np.ndarray:
    """A hash of the three signature columns of each band: (24, n) uint32.

    Texts with equal keys in a band are candidates. The keys of a text depend on nothing else, so
    those of one part of a table never change. Among a million texts 32 bits bring together some
    hundred pairs a band that nothing else does; all candidates are compared anyway.
    """
    keys = np.empty((BANDS, len(texts)), np.uint32)
    for start, end in _blocks(texts):
        first, second, third = _signed(texts[start:end]).reshape(BANDS, ROWS, -1).swapaxes(0, 1)
        mixed = first * np.uint64(0x9E3779B97F4A7C15)
        mixed += second
        mixed *= np.uint64(0xC2B2AE3D27D4EB4F)
        mixed += third
        mixed ^= mixed >> np.uint64(32)
        mixed *= np.uint64(0x165667B19E3779F9)
        keys[:, start:end] = mixed >> np.uint64(32)
    return keys


def _blocks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of rows of about ``_BLOCK_CHARACTERS``."""
    start = size = 0
    for index, text in enumerate(texts):
        size += max(len(text), GRAM)
        if size >= _BLOCK_CHARACTERS:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(texts):
        yield start, len(texts)


def _signed(texts: Sequence[str]) -> np.ndarray:
    """Signatures by column: (72, n)."""
    texts = [text.ljust(GRAM, "\0") for text in texts]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    codes = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    codes = codes.astype(np.uint64)
    grams = codes[:-2] * np.uint64(0x9E3779B97F4A7C15)
    grams += codes[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F)
    grams += codes[2:] * np.uint64(0x165667B19E3779F9)
    grams ^= grams >> np.uint64(29)
    grams *= np.uint64(0xBF58476D1CE4E5B9)
    hashed = (grams >> np.uint64(32)).astype(np.uint32)
    inside = np.ones(len(hashed), bool)
    # A gram that starts at a text's last two characters would reach into the next text.
    inside[(ends[:-1, None] - np.arange(1, GRAM)).ravel()] = False
    hashed = hashed[inside]
    starts = np.concatenate([[0], np.cumsum(lengths - (GRAM - 1))[:-1]])
    mixed = np.empty_like(hashed)
    result = np.empty((BANDS * ROWS, len(texts)), np.uint32)
    for column, multiplier, mask in zip(result, _MULTIPLIERS, _MASKS, strict=True):
        np.bitwise_xor(hashed, mask, out=mixed)
        np.multiply(mixed, multiplier, out=mixed)
        np.minimum.reduceat(mixed, starts, out=column)
    return result
