"""The champion on disk follows the registry at every start; versions know what they come from."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl
from kedro.io import DatasetError

from wenliu.datasets import RawFiles, RegisteredModelDataset
from wenliu.errors import UserError
from wenliu.hooks.lineage import digest, leaves, raw_checksums
from wenliu.hooks.lock import needs_lock
from wenliu.registry import Registry

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

#: Parameters that judge a model and do not make it.
JUDGING = frozenset({"drift", "promotion", "inference"})


class RegistryHook:
    """Reconciles before a run, and names the data and configuration of what it registers."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remembers where the project is, which problem runs, and its configuration."""
        self._project = Path(context.project_path)
        self._problem = str(context.config_loader["globals"]["problem"])
        self._config = config_of(context.params)

    @hook_impl
    def before_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Makes the champion's folder follow the registry."""
        if not needs_lock(node.namespace for node in pipeline.nodes):
            return
        for name in pipeline.datasets():
            if isinstance(dataset := catalog.get(name), RegisteredModelDataset):
                # Asked when it is needed: files of the inbox become raw files after this hook.
                dataset.origin = lambda: (data_of(catalog), self._config)
        try:
            for sentence in Registry(self._project, self._problem).reconcile():
                click.echo(f"Registry: {sentence}", err=True)
        except UserError as error:
            # Whether a run can do without MLflow is not decided here.
            logging.getLogger(__name__).warning("The champion was not looked after: %s", error)


def config_of(parameters: dict[str, Any]) -> str:
    """Hash of all parameters that make a model."""
    from wenliu.params import MODELS

    made = {
        name: dict(leaves(model.model_validate(parameters.get(name) or {}), name))
        for name, model in MODELS.items()
        if name not in JUDGING
    }
    return digest(made)


def data_of(catalog: CatalogProtocol) -> str:
    """Hash of the contents of all raw files, whatever they are called."""
    return digest(sorted(set(raw_checksums(_raw_files(catalog)).values())))


def _raw_files(catalog: CatalogProtocol) -> Iterable[Path]:
    for name in catalog:
        if isinstance(dataset := catalog.get(name), RawFiles):
            with suppress(DatasetError):  # there are none any more: a partial run does without
                yield from dataset.load()
