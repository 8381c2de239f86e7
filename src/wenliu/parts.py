"""Tables as parts: whoever reads one holds one part in memory, however many rows there are.

A part is at most 100,000 rows and 64 MiB that stay together from ingestion to the token ids: no
part spans two raw files, and a stage makes a part of a part. New rows are new parts; the others
remain what they were, by the digests of their columns.

The columns of a part may lie in several files. A stage that adds narrow columns to wide ones
writes the narrow ones and links the files with the wide ones; a file that a node had to put aside
while it ran, or that is remembered from another night, is linked as well.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu.column_files import Columns, Format, HeldColumns, StoredColumns
from wenliu.errors import UserError
from wenliu.part import Part

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

#: Beside the files of a table: its schema, and which columns of each file are its own.
LIST = "parts.json"


class Parts:
    """A table as a sequence of parts, in order.

    Args:
        schema: Of every part; metadata are dropped.
        parts: Each with the columns of the schema.
    """

    def __init__(self, schema: pa.Schema, parts: Sequence[Part]) -> None:
        self.schema = schema.remove_metadata()
        self.parts = list(parts)
        self.num_rows = sum(part.num_rows for part in parts)

    @classmethod
    def of(cls, data: pa.Table | Parts) -> Parts:
        """A table's chunks as parts; parts as they are."""
        from wenliu.gathering import cut

        if isinstance(data, Parts):
            return data
        batches = (batch for batch in data.to_batches() if batch.num_rows)
        return cls(data.schema, [Part.of(part) for batch in batches for part in cut(batch)])

    @classmethod
    def joined(cls, tables: Iterable[Parts], schema: pa.Schema) -> Parts:
        """The parts of several tables, one table after the other."""
        return cls(schema, [part for table in tables for part in table.parts])

    @classmethod
    def open(cls, folder: Path, owner: object = None) -> Parts:
        """The parts that :meth:`write` left in ``folder``; of its files none is read.

        Args:
            folder: That of one table.
            owner: Kept as long as one of the parts.

        Raises:
            UserError: It is a folder of an earlier version of this program.
        """
        import pyarrow as pa

        path = folder / LIST
        if not path.is_file():
            raise UserError(
                "A stored table has no list of its parts: an earlier version of Wenliu made it.",
                where=str(folder),
                remedy="run the stage that makes it again, or everything: kedro run",
            )
        content = json.loads(path.read_text("utf-8"))
        checked = path.stat().st_mtime_ns
        parts = []
        for part in content["parts"]:
            columns: dict[str, Columns] = {}
            for name, file in part["files"].items():
                stored = StoredColumns(
                    folder / name, file["columns"], file["sha256"], file["bytes"], checked, owner
                )
                columns |= dict.fromkeys(file["columns"], stored)
            parts.append(Part(part["rows"], columns))
        return cls(pa.ipc.read_schema(pa.py_buffer(base64.b64decode(content["schema"]))), parts)

    def write(self, folder: Path, format: Format) -> Parts:
        """Fills the empty ``folder``; what is in files of that format is linked.

        Returns:
            The same table, out of these files.

        Raises:
            UserError: A file to be linked was changed since it was written.
        """
        parts = []
        for number, part in enumerate(self.parts):
            columns: dict[str, Columns] = {}
            for place, (holder, names) in enumerate(part.files()):
                path = folder / f"part-{number:05d}.{place}.{format}"
                columns |= dict.fromkeys(names, self._store(part, holder, names, path))
            parts.append(Part(part.num_rows, columns))
        content = {
            "schema": base64.b64encode(self.schema.serialize()).decode(),
            "parts": [part.described() for part in parts],
        }
        (folder / LIST).write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
        return Parts(self.schema, parts)

    def _store(self, part: Part, holder: Columns, names: list[str], path: Path) -> StoredColumns:
        import pyarrow as pa

        if isinstance(holder, StoredColumns) and holder.path.suffix == path.suffix:
            return holder.link(path)
        if isinstance(holder, StoredColumns):
            schema = pa.schema([self.schema.field(name) for name in names])
            holder = HeldColumns(next(part.batches(schema, None), _no_rows(schema)))
        return holder.write(path, names)

    def select(self, columns: Sequence[str]) -> Parts:
        """Some columns, in this order."""
        names = list(columns)
        schema = _some(self.schema, names)
        return Parts(
            schema,
            [Part(part.num_rows, {n: part.columns[n] for n in names}) for part in self.parts],
        )

    def without(self, columns: Iterable[str]) -> Parts:
        """All columns but some, which need not be there."""
        left_out = set(columns)
        return self.select([name for name in self.schema.names if name not in left_out])

    def beside(self, others: Parts) -> Parts:
        """The same rows with the columns of ``others`` too, which has the same parts.

        Raises:
            ValueError: Their parts differ in rows, or a column is in both.
        """
        import pyarrow as pa

        twice = set(self.schema.names) & set(others.schema.names)
        if self.part_rows != others.part_rows or twice:
            raise ValueError(f"Parts of {self.part_rows} and {others.part_rows} rows; {twice}.")
        return Parts(
            pa.schema([*self.schema, *others.schema]),
            [
                Part(one.num_rows, {**one.columns, **other.columns})
                for one, other in zip(self.parts, others.parts, strict=True)
            ],
        )

    def cut_alike(self, table: pa.Table) -> Parts:
        """A narrow table of as many rows, in memory, with the borders of these parts."""
        parts, start = [], 0
        for rows in self.part_rows:
            (batch,) = table.slice(start, rows).combine_chunks().to_batches() or [
                _no_rows(table.schema)
            ]
            parts.append(Part.of(batch))
            start += rows
        return Parts(table.schema, parts)

    def each(self) -> Iterator[Parts]:
        """Every part as a table of its own."""
        for part in self.parts:
            yield Parts(self.schema, [part])

    @property
    def part_rows(self) -> list[int]:
        """Rows of each part."""
        return [part.num_rows for part in self.parts]

    def digests(self, columns: Sequence[str] | None = None) -> list[list[str]]:
        """For each part the digests of its columns, or of some; files know them."""
        names = self.schema.names if columns is None else columns
        return [[part.columns[name].digest(name) for name in names] for part in self.parts]

    @property
    def is_undamaged(self) -> bool:
        """Whether all files are what they were; only those written to since are read."""
        return all(
            not isinstance(holder, StoredColumns) or holder.is_undamaged
            for part in self.parts
            for holder, _ in part.files()
        )

    def batches(
        self, columns: Sequence[str] | None = None, max_rows: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Record batches in order; none spans two parts.

        Args:
            columns: Only these are read, in this order; None: all.
            max_rows: Rows of a batch at most; None: a batch for each part.
        """
        schema = self.schema if columns is None else _some(self.schema, columns)
        for part in self.parts:
            yield from part.batches(schema, max_rows)

    def column(self, name: str) -> pa.ChunkedArray:
        """One whole column in memory: for narrow columns."""
        import pyarrow as pa

        chunks = [batch.column(0) for batch in self.batches([name])]
        return pa.chunked_array(chunks, self.schema.field(name).type)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole table, or some columns of it, in memory."""
        import pyarrow as pa

        schema = self.schema if columns is None else _some(self.schema, columns)
        return pa.Table.from_batches(self.batches(columns), schema)

    def to_pandas(self) -> pd.DataFrame:
        """The whole table as a frame, for notebooks."""
        return self.table().to_pandas()

    def nulls(self, name: str) -> int:
        """How many values of a column are missing.

        Files are not read where their schema has no nulls in the column: nothing that has some is
        written under such a schema.
        """
        holders = (part.columns[name] for part in self.parts)
        return sum(
            holder.nulls(name)
            for holder in holders
            if isinstance(holder, HeldColumns) or self.schema.field(name).nullable
        )


def checksums(folder: Path) -> dict[Path, str]:
    """Files of tables under ``folder`` whose sha256 is known and that are what they were."""
    found: dict[Path, str] = {}
    for path in folder.rglob(LIST):
        for part in Parts.open(path.parent).parts:
            for holder, _ in part.files():
                if isinstance(holder, StoredColumns) and holder.is_undamaged:
                    found[holder.path] = holder.sha256
    return found


def _some(schema: pa.Schema, columns: Sequence[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([schema.field(name) for name in columns])


def _no_rows(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=schema)
