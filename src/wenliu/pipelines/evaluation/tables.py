"""Between Arrow tables and arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wenliu.frames import Table
from wenliu.parts import Parts

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """Some rows of ``audited_examples`` by column."""

    id: list[str]
    split: NDArray[np.str_]
    label_id: Ints
    leak: Bools
    dropped: Bools
    text: list[str]
    clean_text: list[str]
    source: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.id)

    @classmethod
    def of(cls, audited_examples: Table | Parts) -> Rows:
        """All rows of the table."""
        column = Parts.of(audited_examples).column
        return cls(
            column("id").to_pylist(),
            _texts(column("split")),
            np.array(column("label_id").to_pylist(), dtype=np.int64),
            _given(column("leak")),
            _given(column("dropped")),
            column("text").to_pylist(),
            column("clean_text").to_pylist(),
            _texts(column("source")),
        )


def judged_rows(audited_examples: Table | Parts) -> Table:
    """Validation and test rows: the rows of ``predictions``, in the same order."""
    import pyarrow.compute as pc

    return _filter(audited_examples, lambda rows: pc.not_equal(rows["split"], "train"))


def train_rows(data: Table | Parts) -> Table:
    """Rows of the training split."""
    import pyarrow.compute as pc

    return _filter(data, lambda rows: pc.equal(rows["split"], "train"))


def learned_rows(audited_examples: Table | Parts) -> Table:
    """Training rows that the audit left in."""
    import pyarrow.compute as pc

    return _filter(
        audited_examples,
        lambda rows: pc.and_(pc.equal(rows["split"], "train"), pc.is_null(rows["dropped"])),
    )


def _filter(data: Table | Parts, keep: Callable[[Any], Any]) -> Table:
    """The rows to keep, part by part: those that are not wanted are never all in memory."""
    import pyarrow as pa

    parts = Parts.of(data)
    kept = (batch.filter(keep(batch)) for batch in parts.batches())
    return pa.Table.from_batches(kept, parts.schema)


def check_order(table: Table | Parts, audited_examples: Table | Parts) -> None:
    """Makes sure that two tables hold the same rows in the same order.

    Raises:
        ValueError: When they do not: a score would be computed from foreign labels.
    """
    if not Parts.of(table).column("id").equals(Parts.of(audited_examples).column("id")):
        raise ValueError("The tables of this run do not hold the same rows in the same order.")


def matrix(column: Any, width: int) -> NDArray[np.float64]:
    """A column of equally long lists as ``(rows, width)``.

    Raises:
        ValueError: When a list has another length.
    """
    flat = column.combine_chunks().flatten() if len(column) else []
    values = np.asarray(flat, dtype=np.float64)
    if values.size != len(column) * width:
        raise ValueError(f"{values.size} values in {len(column)} rows, not {width} for each row")
    return values.reshape(len(column), width)


def lists(values: NDArray[Any]) -> Any:
    """``(rows, width)`` as an Arrow column of lists of float32."""
    import pyarrow as pa

    rows, width = values.shape
    offsets = pa.array(np.arange(rows + 1) * width, pa.int32())
    flat = pa.array(np.ascontiguousarray(values, dtype=np.float32).ravel(), pa.float32())
    return pa.ListArray.from_arrays(offsets, flat)


def flat_tokens(token_ids: Table) -> tuple[NDArray[np.int32], Ints]:
    """The token ids of all rows, flat, and the ``rows + 1`` offsets between them."""
    import pyarrow.compute as pc

    column = token_ids["token_ids"]
    lengths = np.asarray(pc.list_value_length(column), dtype=np.int64)
    flat = np.concatenate(
        [np.asarray(chunk.flatten(), dtype=np.int32) for chunk in column.chunks]
        or [np.zeros(0, np.int32)]
    )
    return flat, np.concatenate([[0], np.cumsum(lengths)])


def _texts(column: Any) -> NDArray[np.str_]:
    return np.array(column.to_pylist(), dtype=np.str_)


def _given(column: Any) -> Bools:
    return np.array([value is not None for value in column.to_pylist()], dtype=bool)
