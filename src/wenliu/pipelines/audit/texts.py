"""Every text is read once, a block at a time; digests, lengths and the near index stay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from wenliu.parts import gather
from wenliu.pipelines.audit.twins import Twins
from wenliu.progress import progress_bar
from wenliu.text.hashing import digests, numbered
from wenliu.text.near_duplicates import NearIndex
from wenliu.text.normal_form import normal_forms_v1

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts

_BLOCK_ROWS = 10_000


def find_twins(parts: Parts, similarity: float, min_chars: int) -> tuple[Twins, np.ndarray]:
    """Numbers the texts and looks for similar ones.

    Args:
        parts: Rows with ``text`` and ``clean_text``.
        similarity: Edit similarity from which two normal forms are near.
        min_chars: Shorter normal forms are never near.

    Returns:
        The twins, and ``(rows,)`` characters of the raw texts.
    """
    import pyarrow as pa

    seen = _Texts(min_chars)
    schema = pa.schema([pa.field("form", pa.string(), nullable=False)])
    # Uncompressed, to be memory-mapped: candidates look up their forms in no order.
    forms = gather(seen.read(parts), schema, "arrow")
    raw, distinct = numbered(np.concatenate(seen.raw))
    normal, firsts = numbered(np.concatenate(seen.normal))
    entries = np.concatenate(seen.entries)
    kept = firsts[normal[entries]] == entries
    seen.index.keep(kept)
    lookup = _Lookup(forms, np.flatnonzero(kept))
    pairs = normal[entries[kept]][seen.index.pairs(lookup, similarity)]
    blank = np.concatenate(seen.blank)
    twins = Twins(raw, normal, blank, pairs, len(distinct), len(firsts))
    return twins, np.concatenate(seen.lengths)


class _Texts:
    """What is kept of every row.

    Attributes:
        raw: ``(n, 2)`` digests of raw texts, by block.
        normal: ``(n, 2)`` digests of normal forms.
        blank: ``(n,)`` whether nothing is left of the text.
        lengths: ``(n,)`` characters of the raw texts.
        entries: Rows that are in ``index``: the first of each normal form within a block.
        index: Finds near twins among them.
    """

    def __init__(self, min_chars: int) -> None:
        self._min_chars = min_chars
        self.raw, self.normal = [np.empty((0, 2), np.uint64)], [np.empty((0, 2), np.uint64)]
        self.blank, self.lengths = [np.empty(0, bool)], [np.empty(0, np.int32)]
        self.entries = [np.empty(0, np.int64)]
        self.index = NearIndex()

    def read(self, parts: Parts) -> Iterator[pa.RecordBatch]:
        """Goes through all rows; yields the normal forms that entered the index."""
        import pyarrow as pa

        start = 0
        with progress_bar(parts.num_rows, "Reading the texts") as bar:
            for batch in parts.batches(["text", "clean_text"], _BLOCK_ROWS):
                forms = self._add(batch, start)
                yield pa.RecordBatch.from_pydict({"form": forms})
                start += batch.num_rows
                bar.update(batch.num_rows)

    def _add(self, batch: pa.RecordBatch, start: int) -> list[str]:
        import pyarrow.compute as pc

        texts = batch["text"].to_pylist()
        forms = normal_forms_v1(texts)
        cleaned = pc.binary_length(pc.utf8_trim_whitespace(batch["clean_text"])).to_numpy()
        self.raw.append(digests(texts))
        self.normal.append(digests(forms))
        self.blank.append((cleaned == 0) | np.array([not form for form in forms], bool))
        self.lengths.append(pc.utf8_length(batch["text"]).to_numpy())
        first: dict[str, int] = {}
        for row, form in enumerate(forms, start):
            if len(form) >= self._min_chars:
                first.setdefault(form, row)
        self.entries.append(np.fromiter(first.values(), np.int64, len(first)))
        self.index.add(list(first))
        return list(first)


class _Lookup:
    """Texts by their numbers, out of memory-mapped parts.

    Args:
        parts: One column of texts.
        places: Number to row of ``parts``, ascending.
    """

    def __init__(self, parts: Parts, places: np.ndarray) -> None:
        self._columns = [batch.column(0) for batch in parts.batches()]
        self._ends = np.cumsum([len(column) for column in self._columns])
        self._places = places

    def __call__(self, numbers: np.ndarray) -> list[str]:
        """Texts of ascending numbers."""
        rows = self._places[numbers]
        borders = np.searchsorted(rows, self._ends)
        texts: list[str] = []
        for column, end, here in zip(
            self._columns, self._ends, np.split(rows, borders[:-1]), strict=True
        ):
            texts += column.take(here - (end - len(column))).to_pylist()
        return texts
