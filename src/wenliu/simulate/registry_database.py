"""What MLflow's database says, asked without the code that the simulation tests."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from wenliu.simulate.sandbox import PROBLEM


class RegistryDatabase:
    """Reads ``mlflow.db`` of a sandbox."""

    def __init__(self, project: Path) -> None:
        self._path = project / "mlflow.db"

    def aliases(self) -> dict[str, int]:
        """Alias to version."""
        query = "select alias, version from registered_model_aliases where name = ?"
        return {alias: int(version) for alias, version in self._rows(query, PROBLEM)}

    def versions(self) -> set[int]:
        """All that there are."""
        query = "select version from model_versions where name = ?"
        return {int(version) for (version,) in self._rows(query, PROBLEM)}

    def running(self) -> list[str]:
        """Runs that say that they go on."""
        query = "select run_uuid from runs where status = 'RUNNING'"
        return [str(run) for (run,) in self._rows(query)]

    def _rows(self, query: str, *values: str) -> list[Any]:
        if not self._path.is_file():
            return []
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as database:
            return database.execute(query, values).fetchall()
