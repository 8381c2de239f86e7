"""From judged rows of all files to examples and quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wenliu.parts import Parts, gather
from wenliu.pipelines.ingestion.ids import good_rows, ids_of

if TYPE_CHECKING:
    import pyarrow as pa


def examples_table(judged: Parts, labels: Sequence[str], *, use_ids: bool) -> Parts:
    """The good rows, with their ids and the numbers of their labels."""
    from wenliu.schemas import Examples

    schema = Examples.arrow()

    def batches() -> Iterator[pa.RecordBatch]:
        import pyarrow as pa
        import pyarrow.compute as pc

        names = pa.array(labels, pa.string())
        for good in good_rows(judged):
            columns = {
                **{name: good[name] for name in good.schema.names},
                "id": ids_of(good, use_column=use_ids),
                "label_id": pc.index_in(good["label"], names),
            }
            yield pa.RecordBatch.from_arrays(
                [columns[name] for name in schema.names], schema=schema
            )

    return gather(batches(), schema)


def quarantine_table(judged: Parts) -> Parts:
    """The bad rows, in order."""
    from wenliu.schemas import Quarantine

    schema = Quarantine.arrow()
    return gather(
        (batch.filter(batch["reason"].is_valid()) for batch in judged.batches(schema.names)),
        schema,
    )
