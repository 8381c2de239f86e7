"""Which version a node reads, and what the version it writes was made from.

"Current" is never simply the newest on disk: two overlapping runs would mix their data. Within a
run every load is pinned to what the run itself made; a partial run starts from the newest complete
versions, and only if their lineages agree.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.hooks import hook_impl

from wenliu.datasets import RawFiles, VersionedDataset, WorkspaceDataset
from wenliu.datasets.commit import Lineage, sha256_of
from wenliu.errors import UserError

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node


class VersionsHook:
    """Pins loads and hands each dataset the lineage of what it is about to save."""

    @hook_impl
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol
    ) -> None:
        """Pins every versioned dataset of the run."""
        self._catalog = catalog
        pin_versions(pipeline, catalog, run_params.get("load_versions") or {})

    @hook_impl
    def before_dataset_loaded(self, dataset_name: str, node: Node) -> None:
        """Names the workspace by the fingerprint of the node that is about to write into it."""
        dataset = self._catalog.get(dataset_name)
        if isinstance(dataset, WorkspaceDataset):
            lineage = lineage_of(node, self._catalog, None)
            dataset.fingerprint = _digest(lineage.fingerprint)[:16]

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, run_id: str | None) -> None:
        """Tells the outputs what they are made from."""
        lineage = lineage_of(node, catalog, run_id)
        for name in node.outputs:
            dataset = catalog.get(name)
            if isinstance(dataset, VersionedDataset):
                dataset.lineage = lineage

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Deletes the workspaces of a run that got as far as a registered model."""
        if "registered_model" in pipeline.all_outputs():
            for name in pipeline.inputs():
                dataset = catalog.get(name)
                if isinstance(dataset, WorkspaceDataset):
                    dataset.clear()


def pin_versions(pipeline: Pipeline, catalog: CatalogProtocol, given: dict[str, str]) -> None:
    """Pins what the run makes to its own version and what it finds to versions that agree.

    Args:
        pipeline: What is about to run.
        catalog: Its datasets.
        given: Versions that the user asked for with ``--load-versions``.

    Raises:
        UserError: An input has no complete version, or lineages disagree.
    """
    for name in pipeline.all_outputs():
        dataset = catalog.get(name)
        if isinstance(dataset, VersionedDataset):
            version = dataset.resolve_save_version()
            assert version is not None
            dataset.pin(version)
    chosen: dict[str, str] = {}
    for name in sorted(pipeline.inputs()):
        dataset = catalog.get(name)
        if isinstance(dataset, VersionedDataset):
            versions = dataset.list_versions(full_path=False)
            if name in given and given[name] not in versions:
                raise UserError(
                    f"'{name}' has no complete version {given[name]}.",
                    remedy=f"its complete versions: {', '.join(versions[:5]) or 'none'}",
                )
            if not versions:
                raise UserError(
                    f"'{name}' has no complete version to start from.",
                    where=dataset._describe()["path"],
                    remedy="run the stage that makes it first, or everything: kedro run",
                )
            chosen[name] = given.get(name, versions[0])
            dataset.pin(chosen[name])
    _check_agreement(chosen, catalog)


def _check_agreement(chosen: dict[str, str], catalog: CatalogProtocol) -> None:
    """Stops where two of the chosen versions descend from different versions of one dataset."""
    seen: dict[str, tuple[str, str]] = {}
    closures = {name: ancestry(name, version, catalog) for name, version in chosen.items()}
    for name, closure in closures.items():
        for ancestor, version in closure.items():
            other_version, other = seen.setdefault(ancestor, (version, name))
            if other_version != version:
                deepest = max(closures.values(), key=len)
                agreeing = ",".join(f"{n}:{deepest.get(n, chosen[n])}" for n in chosen)
                raise UserError(
                    f"The newest versions do not belong together: '{name}' was made from "
                    f"'{ancestor}' of {version}, but '{other}' from that of {other_version}.",
                    where=", ".join(f"{n} {v}" for n, v in chosen.items()),
                    remedy="run the stages between them again, or name versions that belong "
                    f"together: --load-versions {agreeing}",
                )


def ancestry(name: str, version: str, catalog: CatalogProtocol) -> dict[str, str]:
    """Everything that a version was made from, itself included: dataset name to version."""
    found = {name: version}
    waiting = [(name, version)]
    while waiting:
        current, current_version = waiting.pop()
        dataset = catalog.get(current)
        if not isinstance(dataset, VersionedDataset):
            continue
        marker = dataset.marker_of(current_version)
        for parent, parent_version in (marker or {}).get("inputs", {}).items():
            if parent not in found:
                found[parent] = parent_version
                waiting.append((parent, parent_version))
    return found


def lineage_of(node: Node, catalog: CatalogProtocol, run_id: str | None) -> Lineage:
    """What the outputs of ``node`` are about to be made from."""
    versions, contents, parameters = {}, {}, {}
    for name in node.inputs:
        dataset = catalog.get(name)
        if isinstance(dataset, VersionedDataset):
            marker = dataset.marker()
            versions[name], contents[name] = marker["version"], marker["content"]
        elif isinstance(dataset, RawFiles):
            contents[name] = {path.name: _checksum(path) for path in dataset.load()}
        elif name.startswith(("params:", "parameters")):
            value = catalog.load(name)
            parameters[name] = (
                value.model_dump(mode="json") if hasattr(value, "model_dump") else value
            )
    fingerprint = {
        "code": code_hash(),
        "parameters": _digest(parameters),
        "inputs": _digest(contents),
    }
    return Lineage(run_id=run_id, node=node.name, inputs=versions, fingerprint=fingerprint)


def _checksum(path: Path) -> str:
    status = path.stat()
    return _cached_checksum(path, status.st_size, status.st_mtime_ns)


@cache
def _cached_checksum(path: Path, size: int, modified: int) -> str:
    return sha256_of(path)


@cache
def code_hash() -> str:
    """Hash of all source files of this package."""
    root = Path(__file__).parents[1]
    return _digest({str(p.relative_to(root)): sha256_of(p) for p in sorted(root.rglob("*.py"))})


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
