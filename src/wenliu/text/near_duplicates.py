"""Near-duplicates: candidates by MinHash bands, every one of them verified by edit distance.

The work is linear in the rows but for the sorting of one number a row in each band. What is kept
of a row is its 24 band keys and a little more, 220 bytes; the texts may stay on disk, because only
those of candidates are looked at, a block at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from wenliu.progress import track
from wenliu.text.minhash import BANDS, band_keys

#: Buckets up to this size give all their pairs. In larger ones (templates, signatures) a row is
#: paired with its neighbours only, ordered by the next band, so that rows which agree in more than
#: this band stand together, and each band has other neighbours. That keeps the work linear.
FULL_BUCKET, NEIGHBOURS = 32, 6
_BLOCK_PAIRS = 50_000

#: From ascending row numbers to the rows' texts.
Fetch = Callable[[np.ndarray], Sequence[str]]


class NearIndex:
    """What finds similar texts among many: band keys and lengths, added part by part.

    A part's entries depend on nothing but its texts, so they can be kept while rows come and go.
    """

    def __init__(self) -> None:
        self._keys = [np.empty((0, BANDS), np.uint64)]
        self._lengths = [np.empty(0, np.int32)]

    def add(self, texts: Sequence[str]) -> None:
        """Appends texts; they get the next numbers."""
        self._keys.append(np.ascontiguousarray(band_keys(texts).T))
        self._lengths.append(np.fromiter(map(len, texts), np.int32, len(texts)))

    def keep(self, rows: np.ndarray) -> None:
        """Forgets all but these rows (``(n,)`` bool), which are numbered anew, in order."""
        borders = np.cumsum([len(part) for part in self._lengths])[:-1]
        for number, kept in enumerate(np.split(rows, borders)):
            self._keys[number] = self._keys[number][kept]
            self._lengths[number] = self._lengths[number][kept]

    def pairs(self, fetch: Fetch, similarity: float) -> np.ndarray:
        """Pairs of rows whose normalised Levenshtein similarity reaches ``similarity``.

        Args:
            fetch: Gives texts by their numbers; the texts must differ from each other.
            similarity: 1 − edit distance / length of the longer text.

        Returns:
            (k, 2) int64, smaller number first, in ascending order without repeats.
        """
        self._keys, self._lengths = [_joined(self._keys)], [_joined(self._lengths)]
        keys, lengths = self._keys[0], self._lengths[0]
        crowded = np.zeros(keys.shape, bool)
        known = np.empty(0, np.int64)
        for band in track(range(BANDS), "Finding near-duplicates", unit="band"):
            found = [known]
            for candidates in _candidates(keys, crowded, band):
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
    index = NearIndex()
    index.add(distinct)
    near = rows[index.pairs(lambda some: [distinct[i] for i in some.tolist()], similarity)]
    pairs = np.concatenate([near, np.array(copies, np.int64).reshape(-1, 2)])
    return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]


def _candidates(keys: np.ndarray, crowded: np.ndarray, band: int) -> Iterator[np.ndarray]:
    """Pairs of rows that agree in ``band``, smaller number first, (k, 2) at a time.

    Marks in ``crowded`` the rows whose bucket does not give all its pairs.
    """
    order = _shared(keys[:, band], keys[:, (band + 1) % BANDS])
    ordered = keys[order, band]
    borders = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1], [True]]))
    sizes = np.repeat(np.diff(borders), np.diff(borders))
    crowded[order, band] = sizes[: len(order)] > FULL_BUCKET
    reach = np.where(sizes <= FULL_BUCKET, FULL_BUCKET, NEIGHBOURS)
    # The k-th round pairs each row with the k-th after it: small buckets run dry by themselves.
    for step in range(1, FULL_BUCKET):
        same = np.flatnonzero((ordered[step:] == ordered[:-step]) & (reach[:-step] >= step))
        if not len(same):
            return
        yield np.sort(np.stack([order[same], order[same + step]], axis=1), axis=1)


def _shared(keys: np.ndarray, next_keys: np.ndarray) -> np.ndarray:
    """Rows whose key another row has too, ordered by the two keys."""
    # Row numbers in place of the lowest bits: sorting plain numbers takes a tenth of `argsort`. A
    # few rows may be taken for others' by the bits that are left; their keys are compared later.
    low = np.uint64((1 << len(keys).bit_length()) - 1)
    packed = np.sort((keys & ~low) | np.arange(len(keys), dtype=np.uint64))
    same = (packed[1:] ^ packed[:-1]) <= low
    shared = np.zeros(len(keys), bool)
    shared[packed[1:][same] & low] = shared[packed[:-1][same] & low] = True
    rows = np.flatnonzero(shared)
    return rows[np.lexsort((next_keys[rows], keys[rows]))]


def _given_before(
    pairs: np.ndarray, keys: np.ndarray, crowded: np.ndarray, band: int
) -> np.ndarray:
    """Whether an earlier band is sure to have given the pair: ``(k,)`` bool.

    So that nothing has to be remembered of pairs that turned out different. One that agreed before
    in a crowded bucket may have been given or not, and is looked at again.
    """
    one, other = pairs.T
    same = keys[one, :band] == keys[other, :band]
    return (same & ~crowded[one, :band]).any(axis=1)


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


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """One array out of several, which are given back one by one as they are copied."""
    whole = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    start = 0
    for number, part in enumerate(parts):
        whole[start : start + len(part)] = part
        start += len(part)
        parts[number] = part[:0].copy()
    return whole
