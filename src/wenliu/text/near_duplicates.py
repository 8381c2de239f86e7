"""Near-duplicates: MinHash over character 3-grams, every candidate verified by edit distance.

Character 3-grams find 99.9 % of one-character edits, where word 5-grams find 16 %: Chinese has no
blanks to split at. The bands follow Broder (1997) and Leskovec, Rajaraman and Ullman, *Mining of
Massive Datasets*, chapter 3. Memory is linear in the number of rows: 288 bytes of signature each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from wenliu.progress import track

#: At 24 bands of 3 rows a pair with Jaccard similarity 0.65 (one edit in 16 characters) is a
#: candidate with probability 0.9995, one with 0.1 with probability 0.02.
BANDS, ROWS = 24, 3
GRAM = 3
#: Buckets up to this size give all their pairs. In larger ones (templates, signatures) a row is
#: paired with its neighbours only, ordered by the next band, so that rows which agree in more than
#: this band stand together, and each band has other neighbours. That keeps the work linear.
FULL_BUCKET, NEIGHBOURS = 32, 6
_CHUNK_CHARACTERS = 500_000
_VERIFY_PAIRS = 100_000

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
    result = np.empty((len(texts), BANDS * ROWS), np.uint32)
    for start, end in _chunks(texts):
        result[start:end] = _signatures([text.ljust(GRAM, "\0") for text in texts[start:end]])
    return result


def near_pairs(texts: Sequence[str], similarity: float = 0.9, min_chars: int = 16) -> np.ndarray:
    """Pairs of rows whose normalised Levenshtein similarity reaches ``similarity``.

    Identical rows are grouped first: each is paired with the first of its kind only, and only
    the firsts are compared with other texts. So a text that stands there 10,000 times costs
    10,000 pairs and not 50 million; who needs all pairs joins over the identical rows.

    Args:
        texts: Compared as they are passed (normalise them before, if at all).
        similarity: 1 − edit distance / length of the longer text.
        min_chars: Shorter texts have no near-duplicates: one edit changes what they say.

    Returns:
        (k, 2) int64, smaller index first, in ascending order without repeats.
    """
    first: dict[str, int] = {}
    copies: list[tuple[int, int]] = []
    for index, text in enumerate(texts):
        if len(text) < min_chars:
            continue
        original = first.setdefault(text, index)
        if original != index:
            copies.append((original, index))
    distinct = list(first)
    rows = np.fromiter(first.values(), np.int64, len(first))
    near = _distinct_pairs(distinct, similarity) if len(distinct) > 1 else np.empty((0, 2), int)
    pairs = np.concatenate([np.sort(rows[near], axis=1), np.array(copies, np.int64).reshape(-1, 2)])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _chunks(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of rows of about ``_CHUNK_CHARACTERS``: the working memory stays the same."""
    start = size = 0
    for index, text in enumerate(texts):
        size += max(len(text), GRAM)
        if size >= _CHUNK_CHARACTERS:
            yield start, index + 1
            start, size = index + 1, 0
    if start < len(texts):
        yield start, len(texts)


def _signatures(texts: list[str]) -> np.ndarray:
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
    counts = lengths - (GRAM - 1)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    result = np.empty((len(texts), BANDS * ROWS), np.uint32)
    for column, (multiplier, mask) in enumerate(zip(_MULTIPLIERS, _MASKS, strict=True)):
        result[:, column] = np.minimum.reduceat((hashed ^ mask) * multiplier, starts)
    return result


def _distinct_pairs(texts: list[str], similarity: float) -> np.ndarray:
    count = len(texts)
    table = signatures(texts)
    lengths = np.fromiter(map(len, texts), np.int64, count)
    seen = np.empty(0, np.int64)
    found = []
    for band in track(range(BANDS), "Finding near-duplicates", unit="band"):
        candidates = _bucket_pairs(_band_keys(table, band), _band_keys(table, (band + 1) % BANDS))
        short = np.minimum(lengths[candidates[:, 0]], lengths[candidates[:, 1]])
        longer = np.maximum(lengths[candidates[:, 0]], lengths[candidates[:, 1]])
        # The distance is at least the difference of the lengths.
        candidates = candidates[short >= similarity * longer - 1e-9]
        # Sorted, because numpy's hashed `unique` took 80 times as long on such keys. Two rows
        # agree at most once in a band, so the keys of one band are distinct.
        keys = np.sort(candidates[:, 0] * count + candidates[:, 1])
        if len(seen):
            keys = keys[seen[np.minimum(np.searchsorted(seen, keys), len(seen) - 1)] != keys]
        seen = np.sort(np.concatenate([seen, keys]), kind="stable")
        fresh = np.stack([keys // count, keys % count], axis=1)
        found.append(fresh[_verified(texts, fresh, similarity)])
    return np.concatenate(found)


def _band_keys(table: np.ndarray, band: int) -> np.ndarray:
    wide = table[:, band * ROWS : (band + 1) * ROWS].astype(np.uint64)
    mixed = (wide[:, 0] * np.uint64(0x9E3779B97F4A7C15) + wide[:, 1]) * np.uint64(
        0xC2B2AE3D27D4EB4F
    )
    return mixed + wide[:, 2]


def _bucket_pairs(keys: np.ndarray, next_keys: np.ndarray) -> np.ndarray:
    """Pairs of rows whose ``keys`` are equal: (k, 2), smaller index first."""
    order = np.lexsort((next_keys, keys))
    keys = keys[order]
    borders = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]]))
    sizes = np.diff(borders)
    reach = np.repeat(np.where(sizes <= FULL_BUCKET, FULL_BUCKET, NEIGHBOURS), sizes)
    pairs = [np.empty((0, 2), np.int64)]
    # The k-th round pairs each row with the k-th after it: small buckets run dry by themselves.
    for step in range(1, FULL_BUCKET):
        same = np.flatnonzero((keys[step:] == keys[:-step]) & (reach[:-step] >= step))
        if not len(same):
            break
        pairs.append(np.stack([order[same], order[same + step]], axis=1))
    return np.sort(np.concatenate(pairs), axis=1)


def _verified(texts: list[str], pairs: np.ndarray, similarity: float) -> np.ndarray:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    good = np.zeros(len(pairs), bool)
    for start in range(0, len(pairs), _VERIFY_PAIRS):
        part = pairs[start : start + _VERIFY_PAIRS]
        scores = cpdist(
            [texts[i] for i in part[:, 0]],
            [texts[i] for i in part[:, 1]],
            scorer=Levenshtein.normalized_similarity,
            # Nine tenths is no binary fraction: one edit in ten characters must still count.
            score_cutoff=max(0.0, similarity - 1e-9),
            dtype=np.float64,
        )
        good[start : start + _VERIFY_PAIRS] = scores >= similarity - 1e-9
    return good
