"""Rows of any size on their way become parts; what would fill the memory is put aside in files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wenliu.column_files import Format, HeldColumns
from wenliu.part import Part
from wenliu.parts import Parts
from wenliu.put_aside import AsideFolder

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of one part at most: small enough for flat memory, large enough for few files.
PART_ROWS = 100_000
#: Bytes of one part at most, unless a single row is larger: 100,000 long articles are 600 MB.
PART_BYTES = 64 * 2**20


def gather(
    batches: Iterable[pa.RecordBatch], schema: pa.Schema, format: Format = "parquet"
) -> Parts:
    """Collects what belongs together, such as the rows of one raw file, holding one part in memory.

    Small tables stay in memory. Of larger ones, full parts go to files that vanish with the last
    one who holds them; a dataset of the same format links them into its version.

    Args:
        batches: Of any size, in order.
        schema: What they have in common; metadata of single batches are dropped.
        format: That of the dataset which will save the table.

    Raises:
        ValueError: A batch has other columns.
    """
    return gather_each([batches], schema, format)


def gather_each(
    sources: Iterable[Iterable[pa.RecordBatch]], schema: pa.Schema, format: Format = "parquet"
) -> Parts:
    """As :func:`gather`, of several sources: no part holds rows of two."""
    parts = (Part.of(batch) for batches in sources for batch in join(batches, schema))
    return collect(parts, schema, format)


def collect(parts: Iterable[Part], schema: pa.Schema, format: Format = "parquet") -> Parts:
    """Makes a table of parts as they come; what would fill the memory is put aside."""
    found: list[Part] = []
    held: list[int] = []  # places in ``found``
    rows = size = 0
    folder = None
    for part in parts:
        if part.held_bytes:
            rows, size = rows + part.num_rows, size + part.held_bytes
            if held and (rows > PART_ROWS or size > PART_BYTES):
                folder = folder or AsideFolder()
                for place in held:
                    found[place] = _put_aside(found[place], folder, place, format)
                held, rows, size = [], part.num_rows, part.held_bytes
            held.append(len(found))
        found.append(part)
    return Parts(schema, found)


def _put_aside(part: Part, folder: AsideFolder, number: int, format: Format) -> Part:
    columns = dict(part.columns)
    for place, (holder, names) in enumerate(part.files()):
        if isinstance(holder, HeldColumns):
            stored = holder.write(folder.path / f"{number}.{place}.{format}", names)
            stored.owner = folder
            columns |= dict.fromkeys(names, stored)
    return Part(part.num_rows, columns)


def join(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Batches of any size as parts that are as full as can be.

    Raises:
        ValueError: A batch has other columns.
    """
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for given in batches:
        if given.schema.names != schema.names:
            raise ValueError(f"A batch of {given.schema.names} among those of {schema.names}.")
        batch = pa.RecordBatch.from_arrays(given.columns, schema=schema)
        for piece in cut(batch):
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


def cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch in pieces that are no larger than a part."""
    if batch.num_rows <= 1 or (batch.num_rows <= PART_ROWS and batch.nbytes <= PART_BYTES):
        yield batch
        return
    half = PART_ROWS if batch.num_rows > PART_ROWS else batch.num_rows // 2
    for start in range(0, batch.num_rows, half):
        yield from cut(batch.slice(start, half))
