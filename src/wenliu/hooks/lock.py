"""One run at a time for a problem; labelling new files holds nobody up."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu.lock import problem_lock

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext
    from kedro.pipeline import Pipeline

#: Stages that change nothing that a run reads.
FREE = frozenset({"inference"})


class LockHook:
    """Holds the problem's lock from before the first step to after the last hook."""

    def __init__(self) -> None:
        self._held = ExitStack()

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Remembers where the project is and which problem runs."""
        self._project = Path(context.project_path)
        self._problem = str(context.config_loader["globals"]["problem"])

    @hook_impl(wrapper=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline
    ) -> Generator[None, None, None]:
        """Takes the lock, and gives it back if another hook stops the run.

        Raises:
            SystemExit: With code 75: another run of the problem is going on.
        """
        self._held.close()  # of a run that Ctrl-C ended in a notebook: no hook was told
        if needs_lock(node.namespace for node in pipeline.nodes):
            what = run_words(run_params.get("pipeline_names"))
            self._held.enter_context(problem_lock(self._project, self._problem, what))
        try:
            yield
        except BaseException:
            self._held.close()
            raise

    @hook_impl(wrapper=True)
    def after_pipeline_run(self) -> Generator[None, None, None]:
        """Gives the lock back when all others are done."""
        with self._held:
            yield

    @hook_impl(wrapper=True)
    def on_pipeline_error(self) -> Generator[None, None, None]:
        """Gives the lock back when all others are done."""
        with self._held:
            yield


def needs_lock(stages: Iterable[str | None]) -> bool:
    """Whether a run of these stages must be the only one of its problem."""
    return not set(stages) <= FREE


def run_words(pipelines: list[str] | None) -> str:
    """What a run is called when others ask who holds the lock."""
    return "kedro run" + (f" --pipelines {','.join(pipelines)}" if pipelines else "")
