"""Files in MLflow's store that no kept version needs; ``mlflow gc`` ignores registered models."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlparse

from wenliu.model_store import ModelStore, Version

if TYPE_CHECKING:
    from mlflow.entities import LoggedModel, Run
    from mlflow.entities.model_registry import ModelVersion

#: Runs of this pipeline are one a night: their old files go. Those that somebody starts stay.
_NIGHTLY = "nightly"


class ModelArtifacts:
    """Files of models and runs that go with versions that go.

    Args:
        store: Of the problem's versions.
        kept: Versions that stay.
        doomed: Versions that go.
        last: So many of the newest runs keep their files.
    """

    def __init__(
        self, store: ModelStore, kept: Collection[Version], doomed: Collection[Version], last: int
    ) -> None:
        self._store = store
        self._models: list[LoggedModel] = []
        self._runs: list[Run] = []
        if not (kept or doomed):
            return
        experiment = store.client.get_experiment_by_name(store.name)
        if experiment is None:
            return
        needed = {one.source.rpartition("/")[2] for one in kept}
        versions: list[ModelVersion] = [*_pages(store.client.search_model_versions, None)]
        others = [one for one in versions if one.name != store.name]
        # A copy of a version under another name names that version, and has its files.
        places = {
            store.client.get_model_version_download_uri(one.name, one.version) for one in others
        }
        self._models = [
            model
            for model in _pages(store.client.search_logged_models, [experiment.experiment_id])
            if model.name == store.name
            and model.model_id not in needed
            and model.artifact_location not in places
        ]
        runs = list(_pages(store.client.search_runs, [experiment.experiment_id]))
        keep = {one.run_id for one in kept} | {one.run_id for one in others}
        keep |= {run.info.run_id for run in runs[:last]}
        go = {one.run_id for one in doomed}
        self._runs = [
            run
            for run in runs
            if run.info.run_id not in keep
            and (run.info.run_id in go or run.data.tags.get("kedro.pipelines") == _NIGHTLY)
            and not _is_gone(run.info.artifact_uri)
        ]

    @property
    def model_folders(self) -> list[Path]:
        """Files of models, as far as they are on this machine."""
        return [path for one in self._models if (path := local(one.artifact_location))]

    @property
    def run_folders(self) -> list[Path]:
        """Files of runs, as far as they are on this machine."""
        return [path for one in self._runs if (path := local(one.info.artifact_uri))]

    @property
    def folders(self) -> list[Path]:
        """All of them."""
        return self.model_folders + self.run_folders

    def delete(self) -> None:
        """Deletes the files, then the records of the models; runs keep theirs."""
        for model in self._models:
            _delete_files(model.artifact_location)
            self._store.client.delete_logged_model(model.model_id)
        for run in self._runs:
            _delete_files(run.info.artifact_uri)


def local(uri: str) -> Path | None:
    """The folder of an artifact location on this machine; None where it is a server's."""
    parts = urlparse(uri)
    return Path(unquote(parts.path)) if parts.scheme in ("file", "") else None


def _is_gone(uri: str) -> bool:
    folder = local(uri)
    return folder is not None and not folder.exists()


def _delete_files(uri: str) -> None:
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    try:
        get_artifact_repository(uri).delete_artifacts()
    except (MlflowException, OSError, NotImplementedError) as error:
        logging.getLogger(__name__).warning("%s was not deleted: %s", uri, error)


def _pages(search: Any, what: list[str] | None) -> Iterator[Any]:
    """All pages of a search in experiments, or with a condition."""
    token = None
    while True:
        page = search(what, page_token=token)
        yield from page
        if not (token := page.token):
            return
