"""One dataset for every artefact: a folder a version, complete or invisible."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractDataset, AbstractVersionedDataset, Version
from kedro.io.core import VersionNotFoundError

from wenliu.datasets.commit import (
    Lineage,
    commit,
    is_complete,
    is_undamaged,
    last_used,
    missing_files,
    read_marker,
    record_reuse,
)
from wenliu.errors import UserError

_UTF8 = {"open_args_load": {"encoding": "utf-8"}, "open_args_save": {"encoding": "utf-8"}}
_TEXT = {"type": "text.TextDataset", "fs_args": _UTF8}

#: Kind of artefact -> suffix of its file, and the dataset that reads and writes it.
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "table": ("", {"type": "wenliu.datasets.ArrowTableDataset"}),
    "arrow": ("", {"type": "wenliu.datasets.ArrowTableDataset", "format": "arrow"}),
    "folder": ("", {"type": "wenliu.datasets.FolderDataset"}),
    "json": (
        ".json",
        {
            "type": "json.JSONDataset",
            "save_args": {"ensure_ascii": False, "indent": 1, "allow_nan": False},
            "fs_args": _UTF8,
        },
    ),
    "html": (".html", _TEXT),
    "svg": (".svg", _TEXT),
}


class VersionedDataset(AbstractVersionedDataset[Any, Any]):
    """Wraps another dataset so that each version is written whole or not at all.

    A version lies at ``<path>/<version>/<name of path><suffix>`` with its marker beside it.
    Versions without a marker do not exist for ``load``, ``exists`` and ``list_versions``.

    Args:
        path: Folder of the artefact.
        kind: One of ``table`` (Parquet parts), ``arrow`` (memory-mapped Arrow parts), ``json``,
            ``html``, ``svg``, ``folder``.
        version: Given by Kedro for ``versioned: true``, which every entry needs.
        metadata: Layer for Kedro-Viz; what MLflow gets (see ``wenliu.hooks.tracking``).
    """

    def __init__(
        self,
        path: str,
        kind: str,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self.kind = kind
        self.metadata = metadata
        #: Set by the versions hook before the node runs.
        self.lineage = Lineage()
        self._suffix, self._config = KINDS[kind]
        super().__init__(
            PurePosixPath(path),
            version or Version(None, None),
            exists_function=lambda file: is_complete(Path(file).parent),
        )

    def load(self) -> Any:
        """Loads the pinned version, else the newest complete one.

        Raises:
            UserError: Files of the version are gone or truncated.
        """
        path = Path(self._get_load_path())
        if not is_complete(path.parent):
            raise VersionNotFoundError(f"{path.parent} is not a complete version")
        if damaged := missing_files(path.parent):
            raise UserError(
                f"{len(damaged)} file(s) of a stored version are missing or truncated.",
                where=f"{path.parent}: {', '.join(damaged[:3])}",
                remedy=f"delete {path.parent} and run the stage again",
            )
        return self._inner(path).load()

    def save(self, data: Any) -> None:
        """Writes ``data`` as this run's version."""
        path = Path(self._get_save_path())
        commit(
            path.parent,
            lambda folder: self._inner(folder / path.name).save(data),
            self.lineage,
        )

    def pin(self, load: str) -> None:
        """Makes every load of this dataset read version ``load``."""
        assert self._version is not None
        self._version = Version(load, self._version.save)
        self._clear_version_cache()

    def reuse(self, version: str, inputs: dict[str, str]) -> None:
        """Makes an earlier version the current one, in this run and for later ones.

        Args:
            version: A complete version.
            inputs: Versions with the contents it was made from, as this run has them.
        """
        folder = self._folder(version)
        newest = self.list_versions(full_path=False)[0]
        if newest != version or read_marker(folder)["inputs"] != inputs:
            record_reuse(folder, str(self.resolve_save_version()), inputs)
        self.pin(version)

    def is_undamaged(self, version: str) -> bool:
        """Whether ``version`` is complete and its files are still what they were."""
        folder = self._folder(version)
        return is_complete(folder) and is_undamaged(folder)

    def marker(self) -> dict[str, Any]:
        """The marker of the version that ``load`` reads."""
        return read_marker(Path(self._get_load_path()).parent)

    @property
    def load_path(self) -> Path:
        """The file or folder that ``load`` reads."""
        return Path(self._get_load_path())

    def marker_of(self, version: str) -> dict[str, Any] | None:
        """The marker of ``version``, or None where it is not complete."""
        folder = self._folder(version)
        return read_marker(folder) if is_complete(folder) else None

    def _folder(self, version: str) -> Path:
        return Path(self._filepath) / version

    def _get_versions(self) -> list[str]:
        """Complete versions, the one that a run made or reused last first."""
        paths = super()._get_versions()
        return sorted(paths, key=lambda path: last_used(Path(path).parent), reverse=True)

    def _inner(self, path: Path) -> AbstractDataset[Any, Any]:
        return AbstractDataset.from_config(path.name, {**self._config, "filepath": str(path)})

    def _get_versioned_path(self, version: str) -> PurePosixPath:
        super()._get_versioned_path(version)  # refuses names that leave the folder
        return self._filepath / version / f"{self._filepath.name}{self._suffix}"

    def _exists(self) -> bool:
        return is_complete(Path(self._get_load_path()).parent)

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._filepath), "kind": self.kind, "version": self._version}
