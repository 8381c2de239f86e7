"""Whether a node must run: has an earlier execution made the same from the same?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wenliu.datasets import ChampionDataset, RegisteredModelDataset, VersionedDataset
from wenliu.hooks.lineage import lineage_of, unknown_inputs

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline.node import Node

    from wenliu.datasets.commit import Lineage

#: More changes than these are counted, not named.
_NAMED = 3


@dataclass(frozen=True)
class Decision:
    """What becomes of a node.

    Attributes:
        node: Its name.
        reused: Run whose outputs are used instead of running it; None: it runs.
        reason: Why it runs.
        changed: Part of the fingerprint (``code``, ``parameters``, ``inputs``) to the names of
            what differs there from the last execution.
    """

    node: str
    reused: str | None = None
    reason: str = ""
    changed: Mapping[str, list[str]] = field(default_factory=dict)


def decide(node: Node, catalog: CatalogProtocol) -> Decision:
    """Looks for an earlier completed execution of ``node`` to use, and uses it.

    All outputs are taken from one execution with the same code, parameters and contents of the
    inputs, undamaged. Their datasets are pinned to it.
    """
    outputs = {name: catalog.get(name) for name in node.outputs}
    if not outputs:
        return Decision(node.name, reason="makes nothing that could be kept")
    if unstored := [n for n, d in outputs.items() if not isinstance(d, _STORED)]:
        return Decision(node.name, reason=f"nothing keeps {', '.join(unstored)}")
    if unknown := unknown_inputs(node, catalog):
        return Decision(node.name, reason=f"reads {', '.join(unknown)}, which may have changed")
    lineage = lineage_of(node, catalog, None)
    versioned = {n: d for n, d in outputs.items() if isinstance(d, VersionedDataset)}
    registered = [d for d in outputs.values() if isinstance(d, _REGISTRY)]
    found = (
        _execution(node, versioned, lineage)
        if versioned
        else Decision(node.name, reused="the registry")
    )
    if found.reused is None:
        return found
    if lost := next((one for one in registered if not one.reuse(lineage)), None):
        return Decision(node.name, reason=lost.unsaved)
    for dataset in versioned.values():
        dataset.reuse(found.reused, lineage.inputs)
    return found


#: What the registry keeps and not the disk.
_REGISTRY = (RegisteredModelDataset, ChampionDataset)
_STORED = (VersionedDataset, *_REGISTRY)


def _execution(node: Node, outputs: dict[str, VersionedDataset], lineage: Lineage) -> Decision:
    """The execution that was used last of those with the lineage's fingerprint."""
    first = next(iter(outputs.values()))
    known = None
    for version in first.list_versions(full_path=False):
        marker = first.marker_of(version)
        if marker is None or marker["node"] != node.name:
            continue
        if marker["fingerprint"] != lineage.fingerprint:
            known = known or _differing(node, marker, lineage)
        elif lost := [name for name, d in outputs.items() if not _is_of(d, version, marker)]:
            reason = f"{', '.join(lost)} of {version} is incomplete or damaged"
            known = Decision(node.name, reason=reason)
        else:
            return Decision(node.name, reused=version)
    return known or Decision(node.name, reason="not done before")


def _is_of(dataset: VersionedDataset, version: str, marker: dict[str, Any]) -> bool:
    """Whether a version is whole, and of the same execution as ``marker``."""
    other = dataset.marker_of(version)
    return (
        other is not None
        and all(other[key] == marker[key] for key in ("run_id", "node", "fingerprint"))
        and dataset.is_undamaged(version)
    )


def _differing(node: Node, marker: dict[str, Any], lineage: Lineage) -> Decision:
    changed: dict[str, list[str]] = {}
    texts = []
    for part, now in lineage.details.items():
        if marker["fingerprint"].get(part) == lineage.fingerprint[part]:
            continue
        before = marker.get("details", {}).get(part, {})
        names = sorted(
            name for name in before.keys() | now.keys() if before.get(name) != now.get(name)
        )
        changed[part] = names
        shown = [_shown(part, name, before.get(name), now.get(name)) for name in names[:_NAMED]]
        if len(names) > _NAMED:
            shown.append(f"{len(names) - _NAMED} more")
        texts.append(f"{part} changed" + (f" ({', '.join(shown)})" if shown and before else ""))
    return Decision(node.name, reason=", ".join(texts), changed=changed)


def _shown(part: str, name: str, before: Any, now: Any) -> str:
    """A parameter with both values, anything else by its name."""
    values = f"{before} → {now}"
    return f"{name} {values}" if part == "parameters" and len(values) < 40 else name
