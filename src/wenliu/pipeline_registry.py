"""The pipelines: one for each stage, and the runs composed of them.

Explicit, because since Kedro 1.5 ``find_pipelines`` sees only the folders asked for on the command
line, so that composed names fail; and lazy, because every command reads the registry and importing
the stages costs more than Kedro itself.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import Any

from kedro.pipeline import Pipeline

#: The stages of ``kedro run``, in the order of the data.
DEFAULT_STAGES = (
    "ingestion",
    "cleaning",
    "splitting",
    "audit",
    "segmentation",
    "tokenization",
    "finetuning",
    "evaluation",
    "export",
)
#: The run that nobody watches: the default one, and what decides about its model.
NIGHTLY = "nightly"
NIGHTLY_STAGES = (*DEFAULT_STAGES, "drift", "promotion")
STAGES = (*NIGHTLY_STAGES, "inference")


class LazyPipeline(Pipeline):
    """A pipeline that is built when something of it is looked at.

    Its attributes are missing until then, and Python asks ``__getattr__`` for missing ones only:
    what Kedro gets afterwards is the built pipeline in every respect.

    Args:
        build: Makes the real pipeline.
    """

    def __init__(self, build: Callable[[], Pipeline]) -> None:
        self.__dict__["_build"] = build

    def __getattr__(self, name: str) -> Any:
        """Builds, then looks again."""
        if name.startswith("__") or "_build" not in self.__dict__:
            raise AttributeError(name)
        self.__dict__.update(self.__dict__.pop("_build")().__dict__)
        return getattr(self, name)


def stage_pipeline(stage: str) -> Pipeline:
    """Imports the wiring of a stage."""
    pipeline: Pipeline = import_module(f"wenliu.pipelines.{stage}.pipeline").create_pipeline()
    return pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Called by Kedro."""
    stages: dict[str, Pipeline] = {
        stage: LazyPipeline(partial(stage_pipeline, stage)) for stage in STAGES
    }
    default, nightly = (
        LazyPipeline(partial(_sum_of, stages, names)) for names in (DEFAULT_STAGES, NIGHTLY_STAGES)
    )
    return {"__default__": default, NIGHTLY: nightly, **stages}


def _sum_of(stages: dict[str, Pipeline], names: tuple[str, ...]) -> Pipeline:
    return sum((stages[name] for name in names), Pipeline([]))
