"""One MLflow run for every Kedro run.

Why not kedro-mlflow: ``docs/decisions/001-own-tracking-hook.md``. What a dataset sends stands
beside it in the catalog, as ``metadata: {mlflow: ...}``:

* ``metrics``: a nested dict whose numbers are logged under dotted names;
* ``steps``: a list of dicts with ``step``, logged as curves;
* ``artifact``: the file itself.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu.datasets import RawFiles, VersionedDataset
from wenliu.hooks.lineage import digest, leaves, raw_checksums
from wenliu.hooks.run_tags import run_tags

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from wenliu.hooks.reuse import Decision

_BATCH = 100  # parameters and tags of one MLflow request at most
_METRICS = 1000  # metrics of one
_LONGEST_PARAMETER = 500
_LONGEST_TAG = 5000


class TrackingHook:
    """Starts the run, logs what the catalog says, ends it with the truth about how it ended."""

    def __init__(self) -> None:
        self._run_id: str | None = None
        self._tags: dict[str, str] = {}
        self._reused: dict[str, list[str]] = {}
        self._lost = False
        # Ctrl-C and SIGTERM reach no Kedro hook; whatever is still open at exit was interrupted.
        atexit.register(self._end, "KILLED")

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remembers where the project is and which problem runs."""
        self._project = context.project_path
        self._problem = str(context.config_loader["globals"]["problem"])

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Starts the MLflow run and logs the parameters that the pipeline reads."""
        from wenliu.tracking import close_orphans, open_store

        self._end("KILLED")  # a run that Ctrl-C ended in a notebook: no hook was told
        self._catalog = catalog
        self._tags, self._reused, self._lost = {}, {}, False
        client, experiment_id = open_store(self._project, self._problem)
        close_orphans(client, experiment_id)
        pipelines = "+".join(run_params["pipeline_names"] or ["__default__"])
        run = client.create_run(
            experiment_id,
            run_name=f"{pipelines} {run_params['run_id']}",
            tags=run_tags(run_params, pipelines, self._project),
        )
        self._client: MlflowClient = client
        self._run_id = run.info.run_id
        # Whatever starts a process or opens MLflow itself joins this run.
        os.environ["MLFLOW_RUN_ID"] = run.info.run_id
        self._log_parameters(pipeline, catalog)

    @hook_impl
    def after_node_decided(self, node: Node, decision: Decision) -> None:
        """Logs of a reused node what a run would have logged: its metrics and all versions."""
        if decision.reused is None:
            return
        self._reused.setdefault(decision.reused, []).append(node.name)
        for name in node.inputs:
            dataset = self._catalog.get(name)
            if isinstance(dataset, RawFiles):
                self._log_raw_files(dataset.load())
        for name in node.outputs:
            dataset = self._catalog.get(name)
            if isinstance(dataset, VersionedDataset):
                self._tag(f"kedro.version.{name}", dataset.resolve_load_version())
                if (how := _how(dataset)) in ("metrics", "steps"):
                    self._log_metrics(how, dataset.load())

    @hook_impl
    def before_node_run(self) -> None:
        """Sends the tags that have gathered: a node that is killed must not take them along."""
        self._send_tags()

    @hook_impl
    def after_dataset_loaded(self, dataset_name: str, data: Any) -> None:
        """Tags the hashes of the raw files and the versions that were found."""
        dataset = self._catalog.get(dataset_name)
        if isinstance(dataset, RawFiles):
            self._log_raw_files(data)
        elif isinstance(dataset, VersionedDataset):
            self._tag(f"kedro.version.{dataset_name}", dataset.resolve_load_version())

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, data: Any, node: Node) -> None:
        """Logs what the catalog says of this dataset."""
        dataset = self._catalog.get(dataset_name)
        if isinstance(dataset, VersionedDataset):
            self._tag(f"kedro.version.{dataset_name}", dataset.resolve_save_version())
        how = _how(dataset)
        if how is None:
            return
        if how in ("metrics", "steps"):
            self._log_metrics(how, data)
        assert isinstance(dataset, VersionedDataset)
        path = str(dataset.load_path)
        self._send(lambda client, run_id: client.log_artifact(run_id, path))

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Ends the run."""
        self._end("FINISHED")

    @hook_impl
    def on_pipeline_error(self, error: Exception) -> None:
        """Ends the run as failed and says why."""
        self._tag("error", f"{type(error).__name__}: {error}"[:1000])
        self._end("FAILED")

    def _end(self, status: str) -> None:
        if self._run_id is None:
            return
        if self._reused:
            reused = (f"{run}: {', '.join(nodes)}" for run, nodes in self._reused.items())
            self._tag("wenliu.reused", "; ".join(reused)[:_LONGEST_TAG])
        os.environ.pop("MLFLOW_RUN_ID", None)
        # A server that was gone may be back to hear the end; else the next start closes the run.
        lost, self._lost = self._lost, False
        self._send(lambda client, run_id: client.set_terminated(run_id, status), quietly=lost)
        self._send_tags()
        self._run_id = None

    def _send(self, ask: Callable[[MlflowClient, str], Any], quietly: bool = False) -> None:
        """Asks MLflow something for this run.

        The model and its reports stand on disk: a tracking server that goes away neither fails a
        run nor holds it up. The first request it does not answer is the last but one.
        """
        if self._run_id is None or self._lost:
            return
        from mlflow.exceptions import MlflowException

        try:
            ask(self._client, self._run_id)
        except (MlflowException, OSError) as error:
            self._lost = True
            level = logging.DEBUG if quietly else logging.WARNING
            logging.getLogger(__name__).log(
                level,
                "MLflow does not answer: the run goes on and is not tracked any further. What it "
                "makes is in data/. (%s)",
                " ".join(str(error).split())[:200],
            )

    def _tag(self, key: str, value: str | None) -> None:
        if value is not None:
            self._tags[key] = value

    def _send_tags(self) -> None:
        if self._tags:
            from mlflow.entities import RunTag

            tags = [RunTag(key, value) for key, value in self._tags.items()]
            self._send_batches("tags", tags, _BATCH)
        self._tags = {}

    def _send_batches(self, what: str, values: Sequence[Any], size: int) -> None:
        for start in range(0, len(values), size):
            self._send(partial(_log_batch, {what: values[start : start + size]}))

    def _log_raw_files(self, paths: list[Path]) -> None:
        # Names of files make no tags: MLflow refuses brackets and the like in keys.
        checksums = raw_checksums(paths)
        self._tag("data.sha256", digest(checksums))
        self._send(lambda client, run_id: client.log_dict(run_id, checksums, "raw_files.json"))

    def _log_parameters(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        from mlflow.entities import Param

        params = [
            Param(key, str(value)[:_LONGEST_PARAMETER])
            for name in sorted(pipeline.inputs())
            if name.startswith("params:")
            for key, value in leaves(catalog.load(name), name.removeprefix("params:"))
        ]
        self._send_batches("params", params, _BATCH)

    def _log_metrics(self, how: str, data: Any) -> None:
        if self._run_id is not None:
            rows = _as_metrics(flatten(data), 0) if how == "metrics" else _curves(data)
            self._send_batches("metrics", rows, _METRICS)


def _log_batch(batch: dict[str, Any], client: MlflowClient, run_id: str) -> None:
    client.log_batch(run_id, **batch)


def _how(dataset: Any) -> str | None:
    """What the catalog says that MLflow gets of a dataset."""
    how: str | None = (getattr(dataset, "metadata", None) or {}).get("mlflow")
    return how


def _as_metrics(values: dict[str, float], step: int) -> list[Metric]:
    from time import time

    from mlflow.entities import Metric

    now = int(time() * 1000)
    return [Metric(key, value, now, step) for key, value in values.items()]


def _curves(history: list[dict[str, Any]]) -> list[Metric]:
    found = []
    for row in history:
        values = flatten({k: v for k, v in row.items() if k not in ("step", "split")})
        split = row.get("split", "train")
        found += _as_metrics({f"{split}/{k}": v for k, v in values.items()}, row["step"])
    return found


def flatten(metrics: dict[str, Any]) -> dict[str, float]:
    """Dotted names of all finite numbers in a nested dict."""
    return {
        name: float(value)
        for name, value in leaves(metrics, "")
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
