"""What stands inside a version: tables as folders of parts, and plain folders."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kedro.io import AbstractDataset

if TYPE_CHECKING:
    import pyarrow as pa

#: Rows of one part at most: small enough for flat memory, large enough for few files.
PART_ROWS = 100_000


class ArrowTableDataset(AbstractDataset[Any, Any]):
    """An Arrow table as a folder of parts; the table's chunks come back as they were saved.

    Args:
        filepath: Folder of the parts.
        format: ``parquet`` (zstd, for rows that people may want to read elsewhere) or ``arrow``
            (uncompressed IPC, memory-mapped on load: token ids are read without a copy).
    """

    def __init__(self, filepath: str, format: Literal["parquet", "arrow"] = "parquet") -> None:
        self._folder = Path(filepath)
        self._format = format

    def save(self, data: pa.Table) -> None:
        """Writes one part for each chunk, cut at 100,000 rows."""
        import pyarrow as pa
        import pyarrow.feather as feather
        import pyarrow.parquet as parquet

        self._folder.mkdir(parents=True)
        for number, part in enumerate(_parts(data)):
            path = self._folder / f"part-{number:05d}.{self._format}"
            table = pa.Table.from_batches(part, data.schema)
            if self._format == "arrow":
                feather.write_feather(table, str(path), compression="uncompressed")
            else:
                parquet.write_table(table, path, compression="zstd")

    def load(self) -> pa.Table:
        """All parts as one table, in order."""
        import pyarrow as pa
        import pyarrow.feather as feather
        import pyarrow.parquet as parquet

        paths = sorted(self._folder.glob(f"part-*.{self._format}"))
        if self._format == "arrow":
            tables = [feather.read_table(str(path), memory_map=True) for path in paths]
        else:
            tables = [parquet.read_table(path, memory_map=True) for path in paths]
        return pa.concat_tables(tables)

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder), "format": self._format}


def _parts(table: pa.Table) -> Iterator[list[pa.RecordBatch]]:
    batches = table.to_batches(max_chunksize=PART_ROWS)
    if not batches:
        yield []
    for batch in batches:
        yield [batch]


class FolderDataset(AbstractDataset[Any, Any]):
    """A folder of files: a model, a bundle.

    ``save`` takes a mapping of file name to content (``bytes``) or to a file to copy (``Path``);
    ``load`` gives the folder. Files are copied and never linked: a bundle with a hard link is
    refused when it is served.
    """

    def __init__(self, filepath: str) -> None:
        self._folder = Path(filepath)

    def save(self, data: Mapping[str, bytes | Path]) -> None:
        """Writes or copies the files."""
        for name, content in data.items():
            path = self._folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, Path):
                shutil.copyfile(content, path)
            else:
                path.write_bytes(content)

    def load(self) -> Path:
        """The folder."""
        return self._folder

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}
