"""Rows of a table of token ids as the runtime takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wenliu.frames import Table


class Rows(NamedTuple):
    """Token ids of some rows, flat with ``rows + 1`` offsets, and their label ids."""

    flat: np.ndarray[Any, Any]
    offsets: np.ndarray[Any, Any]
    gold: np.ndarray[Any, Any]


def spread_rows(token_ids: Table, splits: Sequence[str], wanted: int) -> Rows:
    """At most ``wanted`` rows, spread evenly over those of the splits that audit left in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    of_splits = pc.is_in(token_ids["split"], value_set=pa.array(splits, pa.string()))
    rows = token_ids.filter(pc.and_(of_splits, pc.is_null(token_ids["dropped"])))
    places = np.linspace(0, rows.num_rows - 1, min(wanted, rows.num_rows)).round()
    taken = rows.take(places.astype(np.int64))
    ids = taken["token_ids"].combine_chunks()
    lengths = pc.list_value_length(ids).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Rows(ids.flatten().to_numpy(), offsets, taken["label_id"].to_numpy())
