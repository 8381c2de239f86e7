"""The narrow columns that the audit holds of all rows, and the few rows that it shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wenliu.schemas import SPLITS

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts

Bools = NDArray[np.bool_]
Codes = NDArray[np.int8]
Ints = NDArray[np.int64]
#: From row numbers to the rows' ids and raw texts.
Fetch = Callable[[Iterable[int]], Mapping[int, tuple[str, str]]]


@dataclass(frozen=True)
class Rows:
    """What the policies look at, besides the texts: 11 bytes a row.

    Attributes:
        sides: Split to ``(rows,)``: whether the row is in it.
        labels: ``(rows,)`` label ids.
        sources: Names of the files, in order.
    """

    sides: dict[str, Bools]
    labels: Ints
    sources: list[str]

    @classmethod
    def of(cls, parts: Parts) -> Rows:
        """Reads the columns of ``split_examples``."""
        splits, labels = [np.empty(0, np.int8)], [np.empty(0, np.int64)]
        sources: dict[str, None] = {}
        for batch in parts.batches(["split", "label_id", "source"]):
            splits.append(_codes(batch["split"]))
            labels.append(batch["label_id"].to_numpy().astype(np.int64))
            sources.update(dict.fromkeys(batch["source"].unique().to_pylist()))
        split = np.concatenate(splits)
        sides = {name: split == number for number, name in enumerate(SPLITS)}
        return cls(sides, np.concatenate(labels), list(sources))

    def split_of(self, row: int) -> str:
        """The split of one row."""
        return next(name for name, rows in self.sides.items() if rows[row])


def _codes(splits: pa.Array) -> Codes:
    import pyarrow as pa
    import pyarrow.compute as pc

    return pc.index_in(splits, pa.array(SPLITS)).to_numpy(zero_copy_only=False).astype(np.int8)


def fetch_rows(parts: Parts, rows: Iterable[int]) -> dict[int, tuple[str, str]]:
    """Ids and raw texts of some rows, in one pass over the parts."""
    wanted = np.unique(np.fromiter(rows, np.int64))
    found: dict[int, tuple[str, str]] = {}
    start = 0
    for batch in parts.batches(["id", "text"]):
        low, high = np.searchsorted(wanted, [start, start + batch.num_rows])
        here = wanted[low:high]
        some = batch.take(here - start)
        columns = (some["id"].to_pylist(), some["text"].to_pylist())
        found.update(zip(here.tolist(), zip(*columns, strict=True), strict=True))
        start += batch.num_rows
        if high == len(wanted):
            break
    return found


def with_marks(
    parts: Parts, marks: Mapping[str, tuple[Codes, Sequence[str]]]
) -> tuple[Iterator[pa.RecordBatch], pa.Schema]:
    """The rows with columns of marks appended, and their schema.

    Args:
        parts: Any rows.
        marks: Column to the rows' codes and the names of the codes; a code beyond the names means
            no mark.
    """
    import pyarrow as pa

    schema = parts.schema
    for name in marks:
        schema = schema.append(pa.field(name, pa.string()))

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in parts.batches():
            end = start + batch.num_rows
            columns = [_named(codes[start:end], names) for codes, names in marks.values()]
            yield pa.RecordBatch.from_arrays([*batch.columns, *columns], schema=schema)
            start = end

    return batches(), schema


def _named(codes: Codes, names: Sequence[str]) -> pa.Array:
    import pyarrow as pa

    indices = pa.array(codes, mask=codes >= len(names))
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())
