"""The pipelines: one for each stage, and the runs composed of them.

Explicit, because since Kedro 1.5 ``find_pipelines`` sees only the folders asked for on the command
line, so that composed names fail; and lazy, because every command reads the registry.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

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
STAGES = (*DEFAULT_STAGES, "inference")


class LazyPipelines(dict[str, Pipeline]):
    """Imports a stage when its pipeline is asked for."""

    def __missing__(self, name: str) -> Pipeline:
        """Builds a pipeline on first access."""
        if name == "__default__":
            pipeline = sum((self[stage] for stage in DEFAULT_STAGES), Pipeline([]))
        elif name in STAGES:
            pipeline = import_module(f"wenliu.pipelines.{name}.pipeline").create_pipeline()
        else:
            raise KeyError(name)
        self[name] = pipeline
        return pipeline

    def __iter__(self) -> Iterator[str]:
        """The names, whether built or not."""
        return iter(("__default__", *STAGES))

    def __len__(self) -> int:
        """Number of names."""
        return len(STAGES) + 1

    def __contains__(self, name: object) -> bool:
        """Whether ``name`` can be asked for."""
        return name == "__default__" or name in STAGES

    def keys(self):  # type: ignore[no-untyped-def]
        """The names: ``dict(pipelines)`` goes through here and so builds all of them."""
        return list(self)


def register_pipelines() -> dict[str, Pipeline]:
    """Called by Kedro."""
    return LazyPipelines()
