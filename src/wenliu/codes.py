"""Columns of a few names, such as splits, as small numbers and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Codes = NDArray[np.int8]
Bools = NDArray[np.bool_]
#: Code of a missing value.
NONE = -1


def codes_of(column: pa.Array | pa.ChunkedArray, names: Sequence[str]) -> Codes:
    """Index into ``names`` of every value; :data:`NONE` for nulls and other values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(column, pa.array(names, pa.string()))
    codes: Codes = pc.fill_null(found, NONE).to_numpy().astype(np.int8)
    return codes


def numbered_names(columns: Iterable[pa.Array]) -> tuple[NDArray[np.int32], list[str]]:
    """Numbers a few names that are repeated in many rows; only one array's texts are held.

    Args:
        columns: Strings without nulls, an array after the other.

    Returns:
        ``(rows,)`` number of every value, and the names in the order in which they first occur.
    """
    numbers: dict[str, int] = {}
    found = [np.empty(0, np.int32)]
    for column in columns:
        encoded = column.dictionary_encode()
        names = encoded.dictionary.to_pylist()
        places = np.array([numbers.setdefault(name, len(numbers)) for name in names], np.int32)
        found.append(places[encoded.indices.to_numpy()])
    return np.concatenate(found), list(numbers)


def names_of(codes: Codes, names: Sequence[str]) -> pa.Array:
    """The names as strings; null where a code is no index into ``names``."""
    import pyarrow as pa

    missing = (codes < 0) | (codes >= len(names))
    indices = pa.array(codes, mask=missing)
    return pa.DictionaryArray.from_arrays(indices, pa.array(names, pa.string())).cast(pa.string())
