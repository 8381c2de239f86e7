"""One part of a table: rows that stay together, whose columns lie in one file or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wenliu.column_files import Columns, HeldColumns, StoredColumns

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Part:
    """Rows that stay together.

    Attributes:
        num_rows: How many.
        columns: Name to what holds the column; several may lie in one file.
    """

    num_rows: int
    columns: Mapping[str, Columns]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> Part:
        """A record batch as a part."""
        held = HeldColumns(batch)
        return cls(batch.num_rows, dict.fromkeys(batch.schema.names, held))

    def files(self) -> list[tuple[Columns, list[str]]]:
        """What holds the columns, in order, with the names of those that it holds."""
        found: dict[int, tuple[Columns, list[str]]] = {}
        for name, holder in self.columns.items():
            found.setdefault(id(holder), (holder, []))[1].append(name)
        return list(found.values())

    @property
    def held_bytes(self) -> int:
        """What it takes in memory."""
        holders = (holder for holder, _ in self.files())
        return sum(held.batch.nbytes for held in holders if isinstance(held, HeldColumns))

    def batches(self, schema: pa.Schema, max_rows: int | None) -> Iterator[pa.RecordBatch]:
        """Its columns of ``schema``, at most so many rows at a time."""
        import pyarrow as pa

        some = Part(self.num_rows, {name: self.columns[name] for name in schema.names})
        rows = max_rows or max(1, self.num_rows)
        together = [holder.batches(names, rows) for holder, names in some.files()]
        for batches in zip(*together, strict=True):
            found = {name: batch[name] for batch in batches for name in batch.schema.names}
            yield pa.RecordBatch.from_arrays([found[name] for name in schema.names], schema=schema)

    def described(self) -> dict[str, Any]:
        """What stands in the list of parts of a part that lies in files."""
        files = {
            holder.path.name: {
                "bytes": holder.size,
                "sha256": holder.sha256,
                "columns": {name: holder.digest(name) for name in names},
            }
            for holder, names in self.files()
            if isinstance(holder, StoredColumns)
        }
        return {"rows": self.num_rows, "files": files}
