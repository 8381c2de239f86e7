"""Near-duplicates: candidates by MinHash bands, every one of them verified by edit distance.

The work is linear in the rows but for the sorting of one number a row in each band. What is kept
of a row is its 24 band keys and a little more, 100 bytes; the texts may stay on disk, because only
those of candidates are looked at, a block at a time.

Whether two texts become a pair depends on no text behind them. So pairs are remembered as texts are
appended, and only the new ones are compared, with each other and with the old ones that share a
band key with one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from wenliu.progress import track
from wenliu.text.minhash import BANDS, band_keys

#: The first texts of a bucket are compared with all before them. A later one (templates,
#: signatures) is compared with a few only, the last before it that agree in the next band as well,
#: so that each band has other neighbours. That keeps the work linear.
FULL_BUCKET, NEIGHBOURS = 32, 6
_BLOCK_PAIRS = 50_000
#: A table of so many bits tells most keys from those that are looked for, and stays in the cache.
_SIEVE_BITS = 18

#: From ascending row numbers to the rows' texts.
Fetch = Callable[[np.ndarray], Sequence[str]]


def find_pairs(
    keys: np.ndarray, lengths: np.ndarray, fetch: Fetch, similarity: float, since: int = 0
) -> np.ndarray:
    """Pairs of rows whose normalised Levenshtein similarity reaches ``similarity``.

    Args:
        keys: ``(n, 24)`` uint32 band keys, row by row.
        lengths: ``(n,)`` characters of the texts.
        fetch: Gives texts by their numbers; the texts must differ from each other.
        similarity: 1 − edit distance / length of the longer text.
        since: Only pairs whose later row is this one or behind it.

    Returns:
        (k, 2) int64, smaller number first, in ascending order without repeats.
    """
    crowded = np.zeros(keys.shape, bool)
    known = np.empty(0, np.int64)
    for band in track(range(BANDS), "Finding near-duplicates", unit="band"):
        found = [known]
        for candidates in _candidates(keys, crowded, band, since):
            # The distance is at least the difference of the lengths.
            length = np.sort(lengths[candidates], axis=1)
            candidates = candidates[length[:, 0] >= similarity * length[:, 1] - 1e-9]
            for start in range(0, len(candidates), _BLOCK_PAIRS):
                block = candidates[start : start + _BLOCK_PAIRS]
                block = block[~_given_before(block, keys, crowded, band)]
                numbers = (block[:, 0] << 32) + block[:, 1]
                new = ~_contains(known, numbers)
                good = _verified(block[new], fetch, similarity)
                found.append(numbers[new][good])
        known = np.sort(np.concatenate(found), kind="stable")
    return np.stack([known >> 32, known & (2**32 - 1)], axis=1)


def share_a_key(old: Iterable[np.ndarray], new: Iterable[np.ndarray], rows: int) -> np.ndarray:
    """Which old rows agree with a new one in some band: ``(rows,)`` bool.

    Args:
        old: For each band ``(rows,)`` uint32 keys.
        new: For each band the keys of the new rows.
        rows: Of ``old``.
    """
    shared = np.zeros(rows, bool)
    low = np.uint32((1 << _SIEVE_BITS) - 1)
    for keys, wanted in zip(old, new, strict=True):
        sieve = np.zeros(1 << _SIEVE_BITS, bool)
        sieve[wanted & low] = True
        maybe = np.flatnonzero(sieve[keys & low])
        shared[maybe[_contains(np.sort(wanted), keys[maybe])]] = True
    return shared


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
    for row, text in enumerate(texts):
        if len(text) < min_chars:
            continue
        original = first.setdefault(text, row)
        if original != row:
            copies.append((original, row))
    distinct = list(first)
    rows = np.fromiter(first.values(), np.int64, len(first))
    lengths = np.fromiter(map(len, distinct), np.int32, len(distinct))
    keys = np.ascontiguousarray(band_keys(distinct).T)

    def fetch(some: np.ndarray) -> list[str]:
        return [distinct[i] for i in some.tolist()]

    near = rows[find_pairs(keys, lengths, fetch, similarity)]
    pairs = np.concatenate([near, np.array(copies, np.int64).reshape(-1, 2)])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _candidates(
    keys: np.ndarray, crowded: np.ndarray, band: int, since: int
) -> Iterator[np.ndarray]:
    """Pairs of rows that agree in ``band``, smaller number first, (k, 2) at a time.

    Marks in ``crowded`` the rows that are not compared with all before them in their bucket.
    """
    order = _shared(keys[:, band])
    ordered = keys[order, band]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    ranks = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    full = ranks < FULL_BUCKET
    crowded[order[~full], band] = True
    asked = full & (order >= since)
    # The k-th round pairs each row with the k-th before it: small buckets run dry by themselves.
    for step in range(1, FULL_BUCKET):
        later = np.flatnonzero(asked & (ranks >= step))
        if not len(later):
            break
        yield np.stack([order[later - step], order[later]], axis=1)
    if full.all():
        return
    next_keys = keys[order, (band + 1) % BANDS]
    again = np.lexsort((next_keys, ordered))  # stable: by number where both bands agree
    order, ordered, next_keys, full = order[again], ordered[again], next_keys[again], full[again]
    asked = ~full & (order >= since)
    for step in range(1, NEIGHBOURS + 1):
        same = (ordered[step:] == ordered[:-step]) & (next_keys[step:] == next_keys[:-step])
        later = np.flatnonzero(same & asked[step:]) + step
        yield np.stack([order[later - step], order[later]], axis=1)


def _shared(keys: np.ndarray) -> np.ndarray:
    """Rows whose key another row has too, ordered by key, then by number."""
    # Key and row in one number: sorting plain numbers takes a tenth of `argsort`.
    packed = np.sort((keys.astype(np.uint64) << 32) | np.arange(len(keys), dtype=np.uint64))
    same = packed[1:] >> 32 == packed[:-1] >> 32
    shared = np.zeros(len(keys), bool)
    shared[1:] |= same
    shared[:-1] |= same
    rows: np.ndarray = (packed[shared] & np.uint64(2**32 - 1)).astype(np.int64)
    return rows


def _given_before(
    pairs: np.ndarray, keys: np.ndarray, crowded: np.ndarray, band: int
) -> np.ndarray:
    """Whether an earlier band is sure to have given the pair: ``(k,)`` bool.

    So that nothing has to be remembered of pairs that turned out different. One whose later row
    was crowded there may have been given or not, and is looked at again.
    """
    one, other = pairs.T
    same = keys[one, :band] == keys[other, :band]
    return (same & ~crowded[other, :band]).any(axis=1)


def _contains(ordered: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Which of ``numbers`` stand in ``ordered``: ``(n,)`` bool."""
    if not len(ordered):
        return np.zeros(len(numbers), bool)
    places = np.minimum(np.searchsorted(ordered, numbers), len(ordered) - 1)
    return ordered[places] == numbers


def _verified(pairs: np.ndarray, fetch: Fetch, similarity: float) -> np.ndarray:
    from rapidfuzz.distance import Levenshtein
    from rapidfuzz.process import cpdist

    rows, places = np.unique(pairs, return_inverse=True)
    texts = fetch(rows)
    places = places.reshape(pairs.shape)
    scores = cpdist(
        [texts[place] for place in places[:, 0].tolist()],
        [texts[place] for place in places[:, 1].tolist()],
        scorer=Levenshtein.normalized_similarity,
        # Nine tenths is no binary fraction: one edit in ten characters must still count. rapidfuzz
        # rounds cutoffs: at 0.8 - 1e-9 it loses pairs of exactly 0.8, at 0.8 - 1e-6 none.
        score_cutoff=max(0.0, similarity - 1e-6),
        dtype=np.float64,
    )
    return scores >= similarity - 1e-9
