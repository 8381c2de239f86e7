"""Row by row: what a row is called, and the number of its label."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wenliu.parallel import ColumnFunction, map_parts
from wenliu.parts import Parts
from wenliu.pipelines.ingestion.ids import ID_PARTS, ids_of
from wenliu.pipelines.ingestion.judging import GIVEN_ID
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.schemas import Examples

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.part import Part


@dataclass(frozen=True)
class NumberRows(ColumnFunction):
    """Ids and numbers of labels: all that depends on other files than a row's own.

    Attributes:
        labels: In the order of their numbers.
        use_ids: Whether the column of ids is used.
    """

    labels: tuple[str, ...]
    use_ids: bool

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Source, line, given id and label to id and label id."""
        import pyarrow as pa
        import pyarrow.compute as pc

        numbers = pc.index_in(batch["label"], pa.array(self.labels, pa.string()))
        ids = ids_of(batch, use_column=self.use_ids)
        return pa.RecordBatch.from_arrays([ids, numbers], names=["id", "label_id"])


def number_rows(
    good: Parts, labels: tuple[str, ...], tallies: Sequence[FileTally], use_ids: Sequence[bool]
) -> Parts:
    """The good rows as examples; of a file that was here before nothing is written again.

    Args:
        good: Rows of all files, in order; no part holds rows of two files.
        labels: In the order of their numbers.
        tallies: What was counted in each file.
        use_ids: For each file whether its column of ids is used.
    """
    import pyarrow as pa

    schema = Examples.arrow()
    numbered = pa.schema([schema.field("id"), schema.field("label_id")])
    used = _of_parts(good, tallies, use_ids)
    made = {}
    for use in (True, False):
        some = [part for part, by_column in zip(good.parts, used, strict=True) if by_column == use]
        function = NumberRows(labels, use)
        table = map_parts(function, Parts(good.schema, some), [*ID_PARTS, "label"], numbered)
        made[use] = iter(table.parts)
    numbers: list[Part] = [next(made[use]) for use in used]
    return good.without([GIVEN_ID]).beside(Parts(numbered, numbers)).select(schema.names)


def _of_parts(good: Parts, tallies: Sequence[FileTally], values: Sequence[bool]) -> list[bool]:
    """For each part the value of the file that its rows are of."""
    ends = np.cumsum([tally.rows for tally in tallies])
    starts = np.cumsum([0, *good.part_rows])[:-1]
    return [values[file] for file in np.searchsorted(ends, starts, side="right")]
