"""Which version a node reads, and what the version it writes was made from.

"Current" is never simply the newest on disk: two overlapping runs would mix their data. Within a
run every load is pinned to what the run itself made; a partial run starts from the newest complete
versions, and only if their lineages agree.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu import memo
from wenliu.datasets import (
    ChampionDataset,
    RegisteredModelDataset,
    VersionedDataset,
    WorkspaceDataset,
)
from wenliu.errors import UserError
from wenliu.hooks.lineage import digest, lineage_of, read_code
from wenliu.put_aside import sweep_forgotten

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

    from wenliu.hooks.reuse import Decision


class VersionsHook:
    """Pins loads and hands each dataset the lineage of what it is about to save."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Reads the code as it is now and pins every versioned dataset of the run."""
        self._catalog = catalog
        sweep_forgotten()
        memo.sweep()
        read_code(pipeline, catalog)
        pin_versions(pipeline, catalog, run_params.get("load_versions") or {})

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Names the workspace by the fingerprint of the node that is about to write into it."""
        dataset = self._catalog.get(dataset_name)
        if isinstance(dataset, WorkspaceDataset):
            _claim(dataset, node, self._catalog)

    @hook_impl
    def after_node_decided(self, node: Node, catalog: CatalogProtocol, decision: Decision) -> None:
        """Claims the workspace of a node that is not run again: it goes with those of this run."""
        if decision.reused is not None:
            for name in node.inputs:
                dataset = catalog.get(name)
                if isinstance(dataset, WorkspaceDataset):
                    _claim(dataset, node, catalog)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, run_id: str | None) -> None:
        """Tells the outputs what they are made from."""
        lineage = lineage_of(node, catalog, run_id)
        for name in node.outputs:
            dataset = catalog.get(name)
            if isinstance(dataset, VersionedDataset | RegisteredModelDataset | ChampionDataset):
                dataset.lineage = lineage

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Deletes the workspaces of a run that got as far as a registered model."""
        if "registered_model" in pipeline.all_outputs():
            for name in pipeline.inputs():
                dataset = catalog.get(name)
                if isinstance(dataset, WorkspaceDataset):
                    dataset.clear()


def _claim(dataset: WorkspaceDataset, node: Node, catalog: CatalogProtocol) -> None:
    dataset.claim(digest(lineage_of(node, catalog, None).fingerprint)[:16])


def pin_versions(pipeline: Pipeline, catalog: CatalogProtocol, given: dict[str, str]) -> None:
    """Pins what the run makes to its own version and what it finds to versions that agree.

    Args:
        pipeline: What is about to run.
        catalog: Its datasets.
        given: Versions that the user asked for with ``--load-versions``.

    Raises:
        UserError: An input has no complete version, a given one is not read, or lineages disagree.
    """
    made = _versioned(pipeline.all_outputs(), catalog)
    read = _versioned(pipeline.inputs(), catalog)
    if useless := sorted(set(given) - set(read)):
        raise UserError(
            f"This run does not load {', '.join(map(repr, useless))} from an earlier version.",
            where="--load-versions",
            remedy=f"it does so for: {', '.join(sorted(read)) or 'nothing'}",
        )
    for dataset in made.values():
        version = dataset.resolve_save_version()
        assert version is not None
        dataset.pin(version)
    for name, dataset in sorted(read.items()):
        versions = dataset.list_versions(full_path=False)
        if name in given and given[name] not in versions:
            raise UserError(
                f"'{name}' has no complete version {given[name]}.",
                where="--load-versions",
                remedy=f"its complete versions: {', '.join(versions[:5]) or 'none'}",
            )
        if not versions:
            raise UserError(
                f"'{name}' has no complete version to start from.",
                where=dataset._describe()["path"],
                remedy="run the stage that makes it first, or everything: kedro run",
            )
        dataset.pin(given.get(name, versions[0]))
    _check_agreement(pipeline, catalog, made, read)


def _versioned(names: Iterable[str], catalog: CatalogProtocol) -> dict[str, VersionedDataset]:
    datasets = ((name, catalog.get(name)) for name in names)
    return {name: dataset for name, dataset in datasets if isinstance(dataset, VersionedDataset)}


#: Everything something was made from: dataset -> hash of its content -> a version with it. Versions
#: of the same content are the same data: a stage that ran again on the same input changes nothing.
Ancestry = dict[str, dict[str, str]]


def ancestry(name: str, version: str, catalog: CatalogProtocol) -> Ancestry:
    """Everything that a stored version was made from, itself included."""
    found: Ancestry = {}
    waiting = [(name, version)]
    while waiting:
        current, current_version = waiting.pop()
        dataset = catalog.get(current)
        marker = (
            dataset.marker_of(current_version) if isinstance(dataset, VersionedDataset) else None
        )
        content = marker["content"] if marker else current_version
        if content not in found.setdefault(current, {}):
            found[current][content] = current_version
            waiting += (marker or {}).get("inputs", {}).items()
    return found


def _check_agreement(
    pipeline: Pipeline,
    catalog: CatalogProtocol,
    made: dict[str, VersionedDataset],
    read: dict[str, VersionedDataset],
) -> None:
    """Stops before a node would join what descends from different data.

    Raises:
        UserError: Naming the inputs of the node, what they disagree about, and a way out.
    """
    ancestries = {
        name: ancestry(name, str(dataset.resolve_load_version()), catalog)
        for name, dataset in read.items()
    }
    for node in pipeline.nodes:
        joined: Ancestry = {}
        sources: dict[str, dict[str, str]] = {}
        for name in node.inputs:
            for ancestor, contents in ancestries.get(name, {}).items():
                joined.setdefault(ancestor, {}).update(contents)
                for content in contents:
                    sources.setdefault(ancestor, {}).setdefault(content, name)
        for ancestor, contents in joined.items():
            if len(contents) > 1:
                raise _disagreement(ancestor, contents, sources[ancestor], made, ancestries)
        for name in node.outputs:
            if name in made:
                version = str(made[name].resolve_save_version())
                ancestries[name] = {**joined, name: {f"this run, {version}": version}}


def _disagreement(
    ancestor: str,
    contents: dict[str, str],
    sources: dict[str, str],
    made: dict[str, VersionedDataset],
    ancestries: dict[str, Ancestry],
) -> UserError:
    (one, one_version), (other, other_version) = list(contents.items())[:2]
    if ancestor in made:
        stale = sources[one] if one_version != made[ancestor].resolve_save_version() else None
        stale = stale or sources[other]
        return UserError(
            f"This run makes '{ancestor}' anew, but '{stale}' was made from an older one: their "
            "results do not belong together.",
            where=f"'{ancestor}' of {min(one_version, other_version)}",
            remedy=f"let the run make '{stale}' too (add its stage to --pipelines), or run "
            "everything: kedro run",
        )
    deepest = max(ancestries.values(), key=len)
    agreeing = ",".join(
        f"{name}:{next(iter(deepest.get(name, own[name]).values()))}"
        for name, own in sorted(ancestries.items())
        if name not in made
    )
    return UserError(
        f"The newest versions do not belong together: '{sources[one]}' comes from '{ancestor}' of "
        f"{one_version}, '{sources[other]}' from that of {other_version}.",
        where=f"'{ancestor}'",
        remedy="run the stages between them again, or name versions that belong together: "
        f"--load-versions {agreeing}",
    )
