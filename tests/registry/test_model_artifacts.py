"""Files in MLflow's store that others use stay."""

from __future__ import annotations

import pytest

from wenliu.model_artifacts import ModelArtifacts

from .conftest import PROBLEM


@pytest.fixture
def logged(registry, tmp_path):
    """Version 4, whose files are a model in MLflow's store."""
    client = registry.store.client
    experiment = client.create_experiment(PROBLEM, artifact_location=(tmp_path / "store").as_uri())
    model = client.create_logged_model(experiment, name=PROBLEM)
    files = tmp_path / "store" / "models" / model.model_id / "artifacts"
    files.mkdir(parents=True)
    (files / "model.onnx").write_bytes(b"x")
    client.create_model_version(PROBLEM, f"models:/{model.model_id}")
    return model, files


def going(registry):
    """As if version 4 went."""
    return ModelArtifacts(registry.store, [], [registry.version(4)], 7)


def test_files_of_a_version_that_goes_go_with_it(registry, logged):
    assert going(registry).model_folders == [logged[1]]


@pytest.mark.parametrize("how", ["copied", "registered"])
def test_files_that_another_registered_model_uses_stay(registry, logged, how):
    """Somebody has taken the version into a model of their own: it must go on loading."""
    model, files = logged
    client = registry.store.client
    if how == "copied":
        client.copy_model_version(f"models:/{PROBLEM}/4", "production")
    else:
        client.create_registered_model("production")
        client.create_model_version("production", f"models:/{model.model_id}")
    artifacts = going(registry)
    assert artifacts.model_folders == []
    artifacts.delete()
    assert (files / "model.onnx").is_file()
