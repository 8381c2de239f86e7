"""Arrow's columns of strings and of lists, read and made without an object for each row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa


def content_of(texts: pa.StringArray) -> tuple[memoryview, np.ndarray]:
    """The UTF-8 of all rows one after the other, and where each ends.

    Returns:
        The bytes, and (rows + 1,) int32 offsets into them, the first 0.
    """
    _, offsets, content = texts.buffers()
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    return memoryview(content or b"")[bounds[0] : bounds[-1]], bounds - bounds[0]


def first_bytes(content: np.ndarray) -> np.ndarray:
    """Where each character of some UTF-8 (uint8) begins."""
    return np.flatnonzero(content.view(np.int8) >= -0x40)


def string_array(content: bytes | memoryview, offsets: np.ndarray) -> pa.StringArray:
    """Rows from UTF-8 and (rows + 1,) offsets into it."""
    import pyarrow as pa

    bounds = pa.py_buffer(np.ascontiguousarray(offsets, np.int32))
    return pa.StringArray.from_buffers(len(offsets) - 1, bounds, pa.py_buffer(content))


def list_array(
    values: pa.Array, counts: np.ndarray, missing: np.ndarray | None = None
) -> pa.ListArray:
    """Rows of so many values each.

    Args:
        values: Of all rows, one after the other.
        counts: (rows,) values of each row.
        missing: (rows,) bool, rows that are null.
    """
    import pyarrow as pa

    offsets = np.zeros(len(counts) + 1, np.int32)
    np.cumsum(counts, out=offsets[1:])
    mask = None if missing is None else pa.array(missing)
    return pa.ListArray.from_arrays(pa.array(offsets), values, mask=mask)
