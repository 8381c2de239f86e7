"""Says which step is running or reused, and at the end what came of it."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import click
from kedro.framework.hooks import hook_impl

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from wenliu.hooks.reuse import Decision

#: A step that took longer says so.
SLOW_SECONDS = 2.0


class StepsHook:
    """Prints a line for each node that runs, one for those skipped before it, and the summary."""

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Counts the steps."""
        self._total = len(pipeline.nodes)
        self._done = 0
        self._decisions: list[Decision] = []
        self._skipped: list[str] = []
        self._started = time.monotonic()

    @hook_impl
    def after_node_decided(self, decision: Decision) -> None:
        """Keeps what a runner that skips has decided, for the summary."""
        self._decisions.append(decision)
        if decision.reused is not None:
            self._done += 1
            self._skipped.append(decision.node.rpartition(".")[0])

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Names the step."""
        self._say_skipped()
        self._node_started = time.monotonic()
        self._done += 1
        stage, _, step = node.name.rpartition(".")
        self._say_step(stage, step.replace("_", " "))

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

        self._say_skipped()
        seconds = time.monotonic() - self._started
        click.echo(summarise(run_params, pipeline, catalog, seconds, self._decisions))

    def _say_skipped(self) -> None:
        if self._skipped:
            stages = Counter(self._skipped)
            steps = (f"{stage} ({n})" if n > 1 else stage for stage, n in stages.items())
            self._say_step("unchanged", ", ".join(steps))
            self._skipped = []

    def _say_step(self, stage: str, step: str) -> None:
        width = len(str(self._total))
        _say(f"[{self._done:>{width}}/{self._total}] {stage:<13} {step}")


def _say(line: str, dim: bool = False) -> None:
    click.secho(line, err=True, dim=dim)
