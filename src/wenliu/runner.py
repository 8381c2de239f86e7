"""A runner that skips what has not changed: ``kedro run --runner wenliu.runner.FreshRunner``.

A node whose code, parameters and contents of inputs are those of an earlier completed execution is
not run; the outputs of that execution are used. So the same command also resumes a run that failed.
Whether a node must run depends on the contents that the nodes before it make, and is decided when
its turn comes (``docs/decisions/007-skipping.md``).
"""

from __future__ import annotations

from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING

from kedro.framework.hooks.markers import hook_spec
from kedro.runner import SequentialRunner
from kedro.runner.task import Task

from wenliu.errors import UserError
from wenliu.hooks.reuse import Decision, decide

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node
    from pluggy import PluginManager


class DecisionSpec:
    """The hook that tells others about a decision; Kedro's node hooks see only nodes that run."""

    @hook_spec
    def after_node_decided(self, node: Node, catalog: CatalogProtocol, decision: Decision) -> None:
        """Called before a node runs, and instead of running it."""


class FreshRunner(SequentialRunner):
    """Runs the nodes one after the other, without those that would make the same again."""

    def __init__(self, is_async: bool = False) -> None:
        if is_async:
            raise UserError(
                "FreshRunner does not load and save asynchronously.",
                where="--async",
                remedy="leave --async out",
            )
        super().__init__()

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        assert hook_manager is not None
        known = getattr(hook_manager.hook, "after_node_decided", None)
        if known is None or not known.has_spec():
            hook_manager.add_hookspecs(DecisionSpec)
        loads = Counter(chain.from_iterable(node.inputs for node in pipeline.nodes))
        for done, node in enumerate(pipeline.nodes):
            decision = decide(node, catalog)
            hook_manager.hook.after_node_decided(node=node, catalog=catalog, decision=decision)
            if decision.reused is None:
                self._logger.info("%s runs: %s", node.name, decision.reason)
                try:
                    Task(node, catalog, False, hook_manager, run_id).execute()
                except Exception:
                    if done:
                        self._logger.warning(
                            "%d of %d steps are done: the same command goes on from there.",
                            done,
                            len(pipeline.nodes),
                        )
                    raise
            else:
                self._logger.info("%s is reused from %s", node.name, decision.reused)
            self._release_datasets(node, catalog, loads, pipeline)
