"""What a nightly run has come to, read from what its stages have left."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu import night_facts, nights
from wenliu.datasets import VersionedDataset
from wenliu.inbox import Intake, intakes
from wenliu.nights import Night

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol


class NightResults:
    """Results as far as the run got.

    Args:
        project: Its root.
        night: The record so far.
        catalog: Pinned to the run; None where it did not get that far.
        made: Names of the datasets that the run has made or found made already.
    """

    def __init__(
        self, project: Path, night: Night, catalog: CatalogProtocol | None, made: Collection[str]
    ) -> None:
        self._project = project
        self._night = night
        self._catalog = catalog
        self._made = made

    def fields(self) -> dict[str, Any]:
        """Fields of the record."""
        new = self._new_intakes()
        files = _files(new)
        audit, ingestion = self._load("audit_report"), self._load("ingestion_report")
        found: dict[str, Any] = {
            "rows": night_facts.rows_of(files, audit, ingestion),
            "files": [night_facts.short_file(file) for file in files],
            "intake": new[-1].stamp if new else None,
            "champion": nights.champion(self._project, self._night.problem),
        }
        if drift := self._load("drift_report"):
            found["drift"] = {key: drift.get(key) for key in ("verdict", "new_rows")}
        if registered := self._load("registered_model"):
            found["challenger"] = registered["version"]
        if decision := self._load("decision"):
            found["decision"] = night_facts.short_decision(decision, self._page())
            found["scores"] = night_facts.scores(decision)
        return found

    def _new_intakes(self) -> list[Intake]:
        """Tonight's intake, and those that no record has counted: their nights were killed."""
        project, problem = self._project, self._night.problem
        counted = max((night.intake or "" for night in nights.read(project, problem)), default="")
        return intakes(project, problem, after=counted)

    def _load(self, name: str) -> Any:
        """A report of this run; None where the run did not get there."""
        if self._catalog is None or name not in self._made:
            return None
        try:
            return self._catalog.load(name)
        except Exception as error:
            logging.getLogger(__name__).warning("%s is missing in the record: %s", name, error)
            return None

    def _page(self) -> str | None:
        """Where the decision's page lies below the problem's folder of reports."""
        if self._catalog is None or "decision_page" not in self._made:
            return None
        dataset = self._catalog.get("decision_page")
        assert isinstance(dataset, VersionedDataset)
        folder = nights.reports(self._project, self._night.problem)
        path = self._project / dataset.load_path
        return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else None


def _files(new: Sequence[Intake]) -> list[dict[str, Any]]:
    """Files of all intakes; one that waited in an earlier intake stands in a later one again."""
    return [
        asdict(file)
        for intake in new
        for file in intake.files
        if file.outcome != "waiting" or intake is new[-1]
    ]
