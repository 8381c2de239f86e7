"""Near twins, remembered part by part: a night compares its new texts only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from wenliu import memo
from wenliu.gathering import collect
from wenliu.parallel import BATCH_ROWS
from wenliu.part import Part
from wenliu.parts import Parts
from wenliu.pipelines.audit.columns import KEYS
from wenliu.text.minhash import BANDS
from wenliu.text.near_duplicates import find_pairs, share_a_key
from wenliu.text.normal_form import normal_forms_v1

if TYPE_CHECKING:
    from wenliu.pipelines.audit.rows import Ints


@dataclass(frozen=True)
class NearPairs:
    """Finds similar texts among the first of equal ones.

    A pair belongs to the part of its later text and depends on no later part. So the pairs of a
    part are remembered under the parts up to it, in their order.

    Attributes:
        similarity: Edit similarity from which two normal forms are near.
        min_chars: As in ``read``.
    """

    similarity: float
    min_chars: int

    def find(self, read: Parts, firsts: Ints, texts: Parts) -> Ints:
        """All pairs, ascending.

        Args:
            read: What ``ReadTexts`` made.
            firsts: ``(n,)`` ascending rows that are compared: each normal form where it first
                occurs.
            texts: Their column ``text``, of the same parts.

        Returns:
            ``(k, 2)`` indexes into ``firsts``, smaller one first.
        """
        made_with, keys = memo.identity(self), list(_chained(texts.digests()))
        # Borders of the parts in rows, then in `firsts`.
        rows = np.cumsum([0, *read.part_rows])
        borders = np.searchsorted(firsts, rows)
        found: list[Ints] = []
        for key in keys:
            if (kept := memo.recall(made_with, key)) is None:
                break
            found.append(_from_parts(kept.parts))
        done = len(found)
        if done < len(keys):
            new = self._since(read, firsts, texts, int(borders[done]))
            ends = np.searchsorted(np.sort(new[:, 1]), borders[done:])
            new = new[np.argsort(new[:, 1], kind="stable")]
            for key, (start, end) in zip(keys[done:], pairwise(ends), strict=True):
                memo.keep(made_with, key, _to_parts(new[start:end]), format="arrow")
            found.append(new)
        pairs = np.concatenate([np.empty((0, 2), np.int64), *found])
        return pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    def _since(self, read: Parts, firsts: Ints, texts: Parts, since: int) -> Ints:
        """Pairs whose later text is ``since`` or behind it."""
        old, new = firsts[:since], firsts[since:]
        shared = np.zeros(since, bool)
        if since:
            rows = int(old[-1]) + 1
            shared = share_a_key(
                (column[:rows] for column in _columns(read)),
                (column[new] for column in _columns(read)),
                rows,
            )[old]
        chosen = np.concatenate([np.flatnonzero(shared), np.arange(since, len(firsts))])
        keys = np.empty((len(chosen), BANDS), np.uint32)
        for band, column in enumerate(_columns(read)):
            keys[:, band] = column[firsts[chosen]]
        lengths = read.column("form_length").to_numpy()[firsts[chosen]]
        lookup = Lookup(normal_forms(texts, firsts[chosen]))
        start = len(chosen) - len(new)
        return chosen[find_pairs(keys, lengths, lookup, self.similarity, start)]


class Lookup:
    """Texts by their numbers, out of memory-mapped parts.

    Args:
        parts: One column of texts.
    """

    def __init__(self, parts: Parts) -> None:
        self._columns = [batch.column(0) for batch in parts.batches()]
        self._ends = np.cumsum([len(column) for column in self._columns])

    def __call__(self, numbers: Ints) -> list[str]:
        """Texts of ascending numbers."""
        borders = np.searchsorted(numbers, self._ends)
        texts: list[str] = []
        for column, end, here in zip(
            self._columns, self._ends, np.split(numbers, borders[:-1]), strict=True
        ):
            if len(here):
                texts += column.take(here - (end - len(column))).to_pylist()
        return texts


def normal_forms(texts: Parts, rows: Ints) -> Parts:
    """Normal forms of some rows, memory-mapped where they are many.

    They are made again each time: kept, they would take as much of the disk as the texts.

    Args:
        texts: One column of raw texts.
        rows: Ascending.
    """
    import pyarrow as pa

    schema = pa.schema([pa.field("form", pa.string(), nullable=False)])

    def made() -> Iterator[Part]:
        start = 0
        for part, count in zip(texts.each(), texts.part_rows, strict=True):
            low, high = np.searchsorted(rows, [start, start + count])
            if low < high:
                raw = part.column("text").take(rows[low:high] - start)
                forms: list[str] = []
                for place in range(0, len(raw), BATCH_ROWS):
                    forms += normal_forms_v1(raw.slice(place, BATCH_ROWS).to_pylist())
                yield Part.of(pa.record_batch([pa.array(forms)], schema=schema))
            start += count

    return collect(made(), schema, "arrow")


def _columns(read: Parts) -> Iterator[np.ndarray]:
    """The keys of one band after the other: (rows,)."""
    for name in KEYS:
        yield read.column(name).to_numpy()


def _chained(texts: Sequence[Sequence[str]]) -> Iterator[str]:
    """A key for each part that depends on all parts up to it."""
    key = ""
    for digests in texts:
        key = memo.key_of(key, digests)
        yield key


def _to_parts(pairs: Ints) -> Parts:
    import pyarrow as pa

    return Parts.of(pa.table({"earlier": pairs[:, 0], "later": pairs[:, 1]}))


def _from_parts(parts: Parts) -> Ints:
    table = parts.table()
    return np.stack([table["earlier"].to_numpy(), table["later"].to_numpy()], axis=1)
