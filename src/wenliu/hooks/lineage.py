"""What a node's outputs are about to be made from: code, parameters and contents of the inputs.

Kedro's versions say when something was made; this says whether it would be made the same again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu.code import code_of, reread_code
from wenliu.datasets import (
    ChampionDataset,
    FrozenSetsDataset,
    RawFiles,
    RegisteredModelDataset,
    SettledIntakesDataset,
    VersionedDataset,
    WorkspaceDataset,
)
from wenliu.datasets.commit import Lineage
from wenliu.disk import cached_sha256
from wenliu.errors import UserError
from wenliu.project import find_project

if TYPE_CHECKING:
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline
    from kedro.pipeline.node import Node

PARAMETERS = ("params:", "parameters")
#: What MLflow takes in a name; a dict with other keys counts as one value.
_KEY = re.compile(r"[\w -]+")
#: Datasets that say themselves what their content is.
_NAMING = (ChampionDataset, RegisteredModelDataset, SettledIntakesDataset)


def lineage_of(node: Node, catalog: CatalogProtocol, run_id: str | None) -> Lineage:
    """What the outputs of ``node`` are about to be made from."""
    versions: dict[str, str] = {}
    contents: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for name in node.inputs:
        dataset = catalog.get(name)
        if isinstance(dataset, VersionedDataset):
            marker = dataset.marker()
            versions[name], contents[name] = marker["version"], marker["content"]
        elif isinstance(dataset, RawFiles):
            contents |= _by_short_name(name, raw_checksums(dataset.load()))
        elif isinstance(dataset, FrozenSetsDataset):
            contents[name] = dataset.checksum()
        elif isinstance(dataset, _NAMING):
            contents[name] = dataset.content()
        elif name.startswith(PARAMETERS):
            value, key = catalog.load(name), name.removeprefix("params:")
            parameters |= leaves(value, key)
            contents |= _named_files(value, key)
    details = {
        "code": _code(node, catalog),
        # As the marker will hold them: what is read from one later can be compared with this.
        "parameters": json.loads(json.dumps(parameters, default=str)),
        "inputs": contents,
    }
    fingerprint = {part: digest(value) for part, value in details.items()}
    return Lineage(run_id, node.name, versions, fingerprint, details)


def read_code(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Reads the code of all nodes at once, before the first of them runs.

    Whoever edits a module meanwhile changes the next run: this one has imported what was there.
    """
    reread_code()
    for node in pipeline.nodes:
        _code(node, catalog)


def unknown_inputs(node: Node, catalog: CatalogProtocol) -> list[str]:
    """Inputs whose content nobody can name before they are loaded."""
    known = (
        FrozenSetsDataset,
        RawFiles,
        VersionedDataset,
        WorkspaceDataset,
        *_NAMING,
    )
    return [
        name
        for name in node.inputs
        if not name.startswith(PARAMETERS) and not isinstance(catalog.get(name), known)
    ]


def raw_checksums(paths: Iterable[Path]) -> dict[str, str]:
    """Path and sha256 of each file; read once as long as it does not change."""
    return {str(path): cached_sha256(path) for path in paths}


def _by_short_name(name: str, checksums: dict[str, str]) -> dict[str, str]:
    """Without the folder that all share: a project that moves is the same project."""
    common = os.path.commonpath([os.path.dirname(path) for path in checksums])  # noqa: PTH120
    return {f"{name}/{os.path.relpath(path, common)}": sha for path, sha in checksums.items()}


def _named_files(value: Any, key: str) -> dict[str, Any]:
    """Contents of the files that a parameter names: a checkpoint, a user dictionary."""
    found: dict[str, Any] = {}
    for field in getattr(value, "named_files", ()):
        name = getattr(value, field)
        if name is None:
            continue
        place = _find(name)
        if place is None:
            revision = getattr(value, "revision", None) or "main"
            if commit := _cached_commit(name, revision):
                found[f"{key}.{field}"] = commit
        else:
            paths = (
                [path for path in sorted(place.iterdir()) if path.is_file()]
                if place.is_dir()
                else [place]
            )
            sums = raw_checksums(paths)
            found |= {f"{key}.{field}/{Path(path).name}": sha for path, sha in sums.items()}
    return found


def _find(name: str) -> Path | None:
    bases = [Path.cwd()]
    with suppress(UserError):  # outside of any project there is this one base
        bases.append(find_project())
    for base in bases:
        if (path := base / Path(name).expanduser()).exists():
            return path
    return None


def _cached_commit(name: str, revision: str) -> str | None:
    """The commit of a hub's checkpoint in the local cache; a cache that was emptied has none."""
    # As huggingface_hub looks for it, whose import would take longer than the whole decision.
    base = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache"))
    home = Path(os.environ.get("HF_HOME", base / "huggingface"))
    cache_folder = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    model = cache_folder / f"models--{name.replace('/', '--')}"
    reference = model / "refs" / revision
    commit = reference.read_text("utf-8").strip() if reference.is_file() else revision
    return commit if (model / "snapshots" / commit).is_dir() else None


def _code(node: Node, catalog: CatalogProtocol) -> dict[str, str]:
    return code_of(node.func, *_validators(node, catalog))


def _validators(node: Node, catalog: CatalogProtocol) -> list[str]:
    """Classes that the catalog holds the node's tables against, and that may convert them."""
    specs = getattr(catalog, "validator_specs", {})
    return sorted({specs[name].class_path for name in node.inputs + node.outputs if name in specs})


def leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Dotted names and values of a nested structure of dicts and Pydantic models."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    if isinstance(value, dict) and all(_KEY.fullmatch(str(key)) for key in value) and value:
        for key, child in value.items():
            yield from leaves(child, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def digest(value: Any) -> str:
    """Hash of anything that JSON can hold."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
