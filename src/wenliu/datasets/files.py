"""What stands inside a version: tables as folders of parts, and plain folders."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.io import AbstractDataset

from wenliu.column_files import Format
from wenliu.parts import Parts

if TYPE_CHECKING:
    import pyarrow as pa


class ArrowTableDataset(AbstractDataset[Any, Any]):
    """An Arrow table as a folder of parts, which come back as they were saved.

    Args:
        filepath: Folder of the parts.
        format: ``parquet`` (zstd, for rows that people may want to read elsewhere; loads
            :class:`Parts`, which are read one at a time) or ``arrow`` (uncompressed IPC; loads a
            table that is memory-mapped: token ids are read without a copy).
    """

    def __init__(self, filepath: str, format: Format = "parquet") -> None:
        self._folder = Path(filepath)
        self._format: Format = format

    def save(self, data: pa.Table | Parts) -> None:
        """Writes the parts; what lies in files of the format already is linked."""
        self._folder.mkdir(parents=True)
        Parts.of(data).write(self._folder, self._format)

    def load(self) -> pa.Table | Parts:
        """All parts, in order."""
        parts = Parts.open(self._folder)
        return parts.table() if self._format == "arrow" else parts

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder), "format": self._format}


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
