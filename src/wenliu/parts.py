"""Tables as parts: whoever reads one holds one part in memory, however many rows there are.

A part is one record batch of at most 100,000 rows and 64 MiB, in memory or in a file. Files have
the format of the final table (zstd Parquet, or uncompressed Arrow IPC to be memory-mapped), so a
part that a node had to put aside while it ran is linked into the new version, not encoded again.

Tables are Parquet because everything can read it: a million rows of 83 characters take 2.2 s to
write and 0.9 s to read on one core, little of what the stages take (IPC: 0.2 s, twice the size).
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wenliu.errors import UserError
from wenliu.project import find_project

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Format = Literal["parquet", "arrow"]

#: Rows of one part at most: small enough for flat memory, large enough for few files.
PART_ROWS = 100_000
#: Bytes of one part at most, unless a single row is larger: 100,000 long articles are 600 MB.
PART_BYTES = 64 * 2**20
#: Columns of few different values. For texts, which hardly repeat, Parquet's dictionaries cost a
#: fifth of the writing and save nothing.
_REPEATING = frozenset({"label", "split", "group", "source", "leak", "dropped", "reason", "column"})
#: A folder of parts put aside that nobody touched for a day was left by a process that was killed.
_FORGOTTEN_SECONDS = 24 * 3600


class Parts:
    """A table as a sequence of parts, in order.

    Args:
        schema: Of every part.
        pieces: Record batches, and parts in files.
    """

    def __init__(self, schema: pa.Schema, pieces: Sequence[pa.RecordBatch | StoredPart]) -> None:
        self.schema = schema
        self.num_rows = sum(piece.num_rows for piece in pieces)
        self._pieces = list(pieces)

    @classmethod
    def of(cls, data: pa.Table | Parts) -> Parts:
        """A table's chunks as parts; parts as they are."""
        if isinstance(data, Parts):
            return data
        return cls(data.schema, [part for batch in data.to_batches() for part in _cut(batch)])

    @classmethod
    def open(cls, folder: Path, format: Format) -> Parts:
        """The parts that :meth:`write` left in ``folder``; nothing is read but their schema."""
        stored = [StoredPart(path) for path in sorted(folder.glob(f"part-*.{format}"))]
        return cls(stored[0].schema, stored)

    def write(self, folder: Path, format: Format) -> None:
        """Writes a file for each part into the empty ``folder``; a stored part is linked.

        An empty table becomes one empty part: the schema is kept.
        """
        import pyarrow as pa

        for number, piece in enumerate(
            self._pieces or [pa.RecordBatch.from_pylist([], schema=self.schema)]
        ):
            path = folder / f"part-{number:05d}.{format}"
            if not isinstance(piece, StoredPart):
                _write(piece, path)
            elif piece.path.suffix == path.suffix:
                _link(piece.path, path)
            else:
                _write(pa.concat_batches(list(piece.batches())), path)

    def batches(
        self, columns: Sequence[str] | None = None, max_rows: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Record batches in order; none spans two parts.

        Args:
            columns: Only these are read, in this order; None: all.
            max_rows: Rows of a batch at most; None: a batch for each part.
        """
        for piece in self._pieces:
            if isinstance(piece, StoredPart):
                yield from piece.batches(columns, max_rows)
                continue
            batch = piece if columns is None else piece.select(list(columns))
            step = max_rows or max(1, batch.num_rows)
            for start in range(0, batch.num_rows, step):
                yield batch.slice(start, step)

    def column(self, name: str) -> pa.ChunkedArray:
        """One whole column in memory: for narrow columns."""
        import pyarrow as pa

        chunks = [batch.column(0) for batch in self.batches([name])]
        return pa.chunked_array(chunks, self.schema.field(name).type)

    def table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """The whole table, or some columns of it, in memory."""
        import pyarrow as pa

        schema = self.schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns], schema.metadata)
        return pa.Table.from_batches(self.batches(columns), schema)

    def to_pandas(self) -> pd.DataFrame:
        """The whole table as a frame, for notebooks."""
        return self.table().to_pandas()

    def nulls(self, name: str) -> int:
        """How many values of a column are missing.

        Files are not read where their schema has no nulls in the column: Parquet's writer refuses
        them.
        """
        count = 0
        for piece in self._pieces:
            if not isinstance(piece, StoredPart):
                count += piece.column(name).null_count
            elif piece.path.suffix != ".parquet" or self.schema.field(name).nullable:
                count += sum(batch.column(0).null_count for batch in piece.batches([name]))
        return count


class StoredPart:
    """A part in a file.

    Args:
        path: A file that this module wrote.
        owner: Kept as long as the part: the folder that goes when the last of its parts does.
    """

    def __init__(self, path: Path, owner: object = None) -> None:
        import pyarrow as pa
        import pyarrow.parquet as parquet

        self.path = path
        self._owner = owner
        if path.suffix == ".parquet":
            metadata = parquet.read_metadata(path)
            self.schema, self.num_rows = metadata.schema.to_arrow_schema(), metadata.num_rows
        else:
            with pa.memory_map(str(path)) as file, pa.ipc.open_file(file) as reader:
                self.schema = reader.schema
                self.num_rows = sum(
                    reader.get_batch(i).num_rows for i in range(reader.num_record_batches)
                )

    def batches(
        self, columns: Sequence[str] | None = None, max_rows: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """As :meth:`Parts.batches`; what is memory-mapped is not copied."""
        import pyarrow as pa
        import pyarrow.parquet as parquet

        names = self.schema.names if columns is None else list(columns)
        rows = max_rows or max(1, self.num_rows)
        if self.path.suffix == ".parquet":
            with parquet.ParquetFile(self.path, pre_buffer=False) as file:
                for batch in file.iter_batches(rows, columns=names, use_threads=False):
                    yield batch.select(names)
            pa.default_memory_pool().release_unused()
        else:
            reader = pa.ipc.open_file(pa.memory_map(str(self.path)))
            for index in range(reader.num_record_batches):
                batch = reader.get_batch(index).select(names)
                for start in range(0, batch.num_rows, rows):
                    yield batch.slice(start, rows)


def gather(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, format: Format = "parquet"
) -> Parts:
    """Collects what a stage yields, holding one part in memory.

    Small tables stay in memory. Of larger ones, full parts go to files that vanish with the last
    one who holds them; a dataset of the same format links them into its version.

    Args:
        batches: Of any size, in order.
        schema: What they have in common; metadata of single batches are dropped.
        format: That of the dataset which will save the table.

    Raises:
        ValueError: A batch has other columns.
    """
    aside: list[StoredPart] = []
    last: list[pa.RecordBatch] = []
    folder = None
    for part in _join(batches, schema):
        if last:
            folder = folder or _Folder()
            aside.append(folder.put_aside(last.pop(), format))
        last.append(part)
    return Parts(schema, [*aside, *last])


def _join(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches of any size as parts that are as full as can be."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for given in batches:
        if given.schema.names != schema.names:
            raise ValueError(f"A batch of {given.schema.names} among those of {schema.names}.")
        batch = pa.RecordBatch.from_arrays(given.columns, schema=schema)
        for piece in _cut(batch):
            while piece.num_rows:
                head = piece.slice(0, PART_ROWS - rows)
                if waiting and size + head.nbytes > PART_BYTES:
                    yield pa.concat_batches(waiting)
                    waiting, rows, size = [], 0, 0
                    continue
                waiting.append(head)
                rows, size = rows + head.num_rows, size + head.nbytes
                piece = piece.slice(head.num_rows)
                if rows == PART_ROWS:
                    yield pa.concat_batches(waiting)
                    waiting, rows, size = [], 0, 0
    if waiting:
        yield pa.concat_batches(waiting)


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces that are no larger than a part."""
    if batch.num_rows <= 1 or (batch.num_rows <= PART_ROWS and batch.nbytes <= PART_BYTES):
        yield batch
        return
    half = PART_ROWS if batch.num_rows > PART_ROWS else batch.num_rows // 2
    for start in range(0, batch.num_rows, half):
        yield from _cut(batch.slice(start, half))


def sweep_forgotten() -> None:
    """Deletes the parts that processes put aside and, being killed, left there."""
    for left in _beside_the_versions().glob("*"):
        with suppress(FileNotFoundError):  # another run's, which is done with it
            if time.time() - left.stat().st_mtime > _FORGOTTEN_SECONDS:
                shutil.rmtree(left, ignore_errors=True)


class _Folder:
    """Parts put aside while a node runs; deleted with the last one, or when the process ends."""

    def __init__(self) -> None:
        parent = _beside_the_versions()
        parent.mkdir(parents=True, exist_ok=True)
        self._path = Path(tempfile.mkdtemp(dir=parent))
        self._count = 0
        weakref.finalize(self, shutil.rmtree, self._path, ignore_errors=True)

    def put_aside(self, piece: pa.RecordBatch, format: Format) -> StoredPart:
        """The same part in a file."""
        path = self._path / f"{self._count}.{format}"
        self._count += 1
        _write(piece, path)
        return StoredPart(path, self)


def _beside_the_versions() -> Path:
    """A folder on the file system of the versions, as far as we know it: links need that."""
    try:
        return find_project() / "data" / ".aside"
    except UserError:
        return Path(tempfile.gettempdir()) / "wenliu-parts"


def _write(batch: pa.RecordBatch, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as parquet

    if path.suffix == ".parquet":
        parquet.write_table(
            pa.Table.from_batches([batch]),
            path,
            compression="zstd",
            use_dictionary=[name for name in batch.schema.names if name in _REPEATING],
        )
    else:
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
