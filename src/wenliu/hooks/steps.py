"""Says which step is running, and at the end what came of it."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

#: A step that took longer says so.
SLOW_SECONDS = 2.0


class StepsHook:
    """Prints a line a node and the summary of the run."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Counts the steps."""
        self._total = len(pipeline.nodes)
        self._done = 0
        self._started = time.monotonic()

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Names the step."""
        self._node_started = time.monotonic()
        self._done += 1
        width = len(str(self._total))
        stage, _, step = node.name.rpartition(".")
        _say(f"[{self._done:>{width}}/{self._total}] {stage:<13} {step.replace('_', ' ')}")

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Says how long a slow step took."""
        seconds = time.monotonic() - self._node_started
        logging.getLogger(__name__).info("%s took %.2f s", node.name, seconds)
        if seconds > SLOW_SECONDS:
            _say(f"{'':>{2 * len(str(self._total)) + 3}} {'':<13} {seconds:.1f} s", dim=True)

    @hook_impl(tryfirst=True)  # while the MLflow run is still open, to name it
    def after_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Prints the summary."""
        from wenliu.summary import summarise

        seconds = time.monotonic() - self._started
        click.echo(summarise(run_params, pipeline, catalog, seconds))


def _say(line: str, dim: bool = False) -> None:
    click.secho(line, err=True, dim=dim)
