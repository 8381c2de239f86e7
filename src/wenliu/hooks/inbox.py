"""A nightly run begins with what people have dropped into the inbox, and settles it in the end."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu.datasets import RawFiles, VersionedDataset
from wenliu.errors import UserError
from wenliu.inbox import Folders, Intake
from wenliu.settled import settle_all

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

#: The only pipeline that takes files in: whoever looks at something by day moves nothing.
PIPELINE = "nightly"


class InboxHook:
    """Takes files in under the lock, before any version is pinned.

    Attributes:
        intake: What this run took in; None: it takes nothing in.
    """

    intake: Intake | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remembers where the project is and which problem runs."""
        self._project = Path(context.project_path)
        self._problem = str(context.config_loader["globals"]["problem"])

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], catalog: CatalogProtocol) -> None:
        """Takes in what is finished.

        Raises:
            UserError: The problem would not read what it accepts.
        """
        self.intake = None
        if PIPELINE not in (run_params.get("pipeline_names") or ()):
            return
        from wenliu.intake import take_in
        from wenliu.params import IngestionParams

        raw_files = catalog.get("raw_files")
        assert isinstance(raw_files, RawFiles)
        _check_reads_accepted(raw_files, self._project, self._problem)
        self.intake = take_in(
            self._project,
            self._problem,
            IngestionParams.model_validate(catalog.load("params:ingestion")),
            _known_labels(catalog),
            raw_files.load() if raw_files.exists() else (),
        )
        _tell(self.intake)

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Settles the files that the run has passed with.

        Until then they are new: those of a run that failed, and those that drift has called
        another kind of data, are judged again with whatever comes later.
        """
        judged = {"ingestion_report", "drift_report"} <= pipeline.all_outputs()
        if self.intake is None or not judged or catalog.load("drift_report")["verdict"] == "fail":
            return
        rows = catalog.load("ingestion_report")["labels"]
        added = (catalog.load("frozen_sets") or {}).get("added", [])
        folders = Folders.of(self._project, self._problem)
        settle_all(folders, [label for label in added if rows.get(label)])


def _check_reads_accepted(raw_files: RawFiles, project: Path, problem: str) -> None:
    accepted = Folders.of(project, problem).accepted
    if raw_files.accepted.resolve() != accepted.resolve():
        raise UserError(
            "The raw files of this problem leave out those that come through its inbox.",
            where=f"raw_files in the catalog, which reads {raw_files.accepted}",
            remedy="add this line to the entry raw_files: accepted: "
            f"{accepted.relative_to(project).as_posix()}",
        )


def _known_labels(catalog: CatalogProtocol) -> Sequence[str] | None:
    """The frozen labels, else those of the newest run; None where there was none."""
    frozen = catalog.load("frozen_sets")
    label_map = catalog.get("label_map")
    assert isinstance(label_map, VersionedDataset)
    if not frozen and not label_map.list_versions():
        return None
    labels: list[str] = (frozen or label_map.load())["labels"]
    return labels


def _tell(intake: Intake) -> None:
    logger = logging.getLogger(__name__)
    for file in intake.files:
        level = logging.INFO if file.outcome in ("accepted", "duplicate") else logging.WARNING
        logger.log(
            level, "inbox: %s is %s%s", file.name, file.outcome, file.reason and f": {file.reason}"
        )
