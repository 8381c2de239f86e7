"""A project with a registry of small bundles: real files, real MLflow, no network inside them."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from wenliu.registry import Registry
from wenliu.serving.manifest import REQUIRED, build_manifest, read_manifest

PROBLEM = "tickets"
sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))  # failing_disk


def write_bundle(folder: Path, content: str) -> str:
    """A bundle whose checksums are right and whose model is a text; its content's sha256."""
    files = {name: f"{name} of {content}".encode() for name in REQUIRED}
    files["labels.json"] = b'{"labels": ["a", "b"]}'
    files["manifest.json"] = build_manifest(files, runtime={"task": "classification"}, facts={})
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return str(read_manifest(folder)["content_sha256"])


@pytest.fixture(autouse=True)
def no_other_store(monkeypatch):
    """MLflow sets the variable to what this process has opened last."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.fixture
def bare_project(tmp_path, empty_store):
    """A project with a database and nothing in it."""
    project = tmp_path / "project"
    project.mkdir()
    shutil.copyfile(empty_store, project / "mlflow.db")
    return project


@pytest.fixture
def register(bare_project):
    """Exports and registers a bundle as export does it; gives the version's number."""
    registry = Registry(bare_project, PROBLEM)

    def add(content: str, **tags: str) -> int:
        client = registry.store.client
        if not registry.store.versions():
            client.create_registered_model(PROBLEM)
        version = registry.folders.home / "bundle" / f"2026-01-01T00.00.00.{content}"
        sha256 = write_bundle(version / "bundle", content)
        (version / "COMPLETE.json").write_text("{}")
        stored = client.create_model_version(
            PROBLEM, str(version / "bundle"), tags={"bundle_sha256": sha256, **tags}
        )
        return int(stored.version)

    return add


@pytest.fixture
def registry(bare_project, register):
    """Three versions, of which none was promoted."""
    for content in ("one", "two", "three"):
        register(content, **{"wenliu.data_sha256": content * 8, "wenliu.config": "c" * 16})
    return Registry(bare_project, PROBLEM)
