"""Row by row: what a row is called, and the number of its label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from wenliu.parallel import ColumnFunction, map_parts
from wenliu.pipelines.ingestion.ids import ID_PARTS, ids_of
from wenliu.pipelines.ingestion.judging import GIVEN_ID
from wenliu.schemas import Examples

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.parts import Parts


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


def number_rows(good: Parts, labels: tuple[str, ...], *, use_ids: bool) -> Parts:
    """The good rows as examples; of a file that was here before nothing is written again."""
    import pyarrow as pa

    schema = Examples.arrow()
    numbers = map_parts(
        NumberRows(labels, use_ids),
        good,
        [*ID_PARTS, "label"],
        pa.schema([schema.field("id"), schema.field("label_id")]),
    )
    return good.without([GIVEN_ID]).beside(numbers).select(schema.names)
