"""Rows of a table of token ids as the runtime takes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from wenliu.codes import Bools
from wenliu.frames import Table
from wenliu.frozen import FRESH
from wenliu.parts import Parts


class Rows(NamedTuple):
    """Token ids of some rows, flat with ``rows + 1`` offsets, and their label ids."""

    flat: np.ndarray[Any, Any]
    offsets: np.ndarray[Any, Any]
    gold: np.ndarray[Any, Any]


def may_choose(audited_examples: Table | Parts) -> Bools:
    """Rows by which export may choose: test rows that judge models decide nothing here.

    In a frozen problem those are all that are not ``fresh``, with the copies of their texts. Where
    nothing is frozen, every row.
    """
    import pyarrow.compute as pc

    table = Parts.of(audited_examples).table(["split", "eval_set"])
    if table["eval_set"].null_count == len(table):
        return np.ones(len(table), dtype=bool)
    fresh = pc.equal(pc.fill_null(table["eval_set"], ""), FRESH)
    chosen: Bools = pc.or_(pc.not_equal(table["split"], "test"), fresh).to_numpy()
    return chosen


def leave_out_judges(token_ids: Table, audited_examples: Table | Parts) -> Table:
    """The rows with all marked as dropped by which export may not choose.

    Args:
        token_ids: Row by row as ``audited_examples``.
        audited_examples: See :func:`may_choose`.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    place = token_ids.schema.get_field_index("dropped")
    left = pa.array(may_choose(audited_examples))
    dropped = pc.if_else(left, token_ids["dropped"], "judges models")
    return token_ids.set_column(place, token_ids.schema.field("dropped"), dropped)


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
