"""The registered model predicts where there is neither torch nor this project."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from kedro.io import DatasetError

from wenliu.datasets.registered_model import RegisteredModelDataset, requirements
from wenliu.errors import UserError
from wenliu.serving.bundle import Bundle

TEXTS = ["快递三天了还没到", "", "质量不错👍", "\u200bＮＡ", "退款"]


@pytest.fixture(scope="module")
def registry(tiny_problem, tmp_path_factory):
    """A store of its own with the tiny bundle registered in a run that is still going on."""
    import mlflow

    folder = tmp_path_factory.mktemp("mlflow")
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment("tiny", artifact_location=(folder / "artifacts").as_uri())
    run = client.create_run(experiment)
    dataset = RegisteredModelDataset("tiny_problem", uri)
    dataset.run_id = run.info.run_id
    dataset.origin = lambda: ("d" * 64, "c" * 64)
    dataset.save(given(tiny_problem.bundle))
    return folder, uri, client, run.info.run_id, dataset


def given(bundle):
    return {"bundle": bundle, "description": "Accuracy 1.0.", "metrics": {"test.accuracy": 0.75}}


def test_it_is_a_version_of_the_run_and_the_run_goes_on(registry, tiny_problem):
    _, _, client, run_id, dataset = registry
    assert dataset.load() == {
        "name": "tiny_problem",
        "version": 1,
        "uri": "models:/tiny_problem/1",
        "reused": False,
        "fingerprint": f"{'d' * 16}-{'c' * 16}",
    }
    version = client.get_model_version("tiny_problem", "1")
    assert version.run_id == run_id
    assert version.description == "Accuracy 1.0."
    assert version.tags["bundle_sha256"] == Bundle.load(tiny_problem.bundle).sha256
    assert version.tags["wenliu.data_sha256"] == "d" * 64
    assert version.tags["wenliu.config"] == "c" * 64
    run = client.get_run(run_id)
    assert run.info.status == "RUNNING"
    assert len(run.outputs.model_outputs) == 1
    model = client.get_logged_model(run.outputs.model_outputs[0].model_id)
    assert model.status == "READY"
    assert model.params["test.accuracy"] == "0.75"


def test_identical_content_registers_no_second_version(registry, tiny_problem):
    """Reliability 11: a run that is retried three times makes one version."""
    _, uri, client, _, _ = registry
    for _ in range(3):
        again = RegisteredModelDataset("tiny_problem", uri)
        again.save(given(tiny_problem.bundle))
        assert again.load()["version"] == 1
        assert again.load()["reused"] is True
    assert len(client.search_model_versions("name = 'tiny_problem'")) == 1


def test_nothing_to_register(registry):
    dataset = RegisteredModelDataset("tiny_problem", registry[1])
    dataset.save({**given(None), "bundle": None})
    assert dataset.load()["version"] is None


def test_it_requires_only_what_serving_imports():
    names = {requirement.split(">")[0] for requirement in requirements()}
    assert names == {"numpy", "onnxruntime", "opencc", "pandas", "tokenizers"}


def test_a_registry_that_is_gone_leaves_the_bundle_and_says_so(tiny_problem, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    import mlflow

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    dataset = RegisteredModelDataset("tiny_problem", "http://127.0.0.1:9")
    try:
        with pytest.raises(DatasetError, match="The bundle is complete in") as failed:
            dataset.save(given(tiny_problem.bundle))
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
    assert isinstance(failed.value.__cause__, UserError)


ELSEWHERE = """
import importlib.abc, json, sys

BLOCKED = {"torch", "transformers", "kedro", "sklearn", "onnx", "datasets", "safetensors"}

class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
sys.path = [p for p in sys.path if not p.rstrip("/").endswith("src")]
for finder in list(sys.meta_path):  # an editable install finds this package, too
    if "editable" in repr(finder).lower():
        sys.meta_path.remove(finder)
try:
    import wenliu
    raise SystemExit("wenliu is still here")
except ModuleNotFoundError:
    pass

import mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
mlflow.set_registry_uri(sys.argv[1])
model = mlflow.pyfunc.load_model("models:/tiny_problem/1")
texts = json.loads(sys.argv[2])
frame = pd.DataFrame({"id": range(len(texts)), "text": texts}, index=range(10, 10 + len(texts)))
answer = model.predict(frame)
import wenliu
print(json.dumps({
    "columns": list(answer.columns),
    "index": [int(i) for i in answer.index],
    "label": list(answer["label"]),
    "probability": [float(p) for p in answer["probability"]],
    "from": wenliu.__file__,
    "modules": sorted(BLOCKED & set(sys.modules)),
    "inputs": model.metadata.signature.inputs.input_names(),
}))
"""


def test_it_predicts_without_torch_and_without_this_project(registry, tiny_problem, tmp_path):
    folder, uri, *_ = registry
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, uri, json.dumps(TEXTS)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answer = json.loads(done.stdout.strip().splitlines()[-1])
    expected = Bundle.load(tiny_problem.bundle).predict(TEXTS)
    assert answer["columns"] == ["label", "probability"]
    assert answer["index"] == list(range(10, 10 + len(TEXTS)))
    assert answer["label"] == [p.label for p in expected]
    assert answer["probability"] == pytest.approx([p.probability for p in expected], abs=1e-6)
    assert answer["from"].startswith(str(folder))
    assert answer["modules"] == []
    assert answer["inputs"] == ["text"]


def test_only_the_runtime_layers_travel(registry):
    folder = registry[0]
    [code] = Path(folder).rglob("code/wenliu")
    assert {p.name for p in code.iterdir() if p.suffix != ".pyc"} - {"__pycache__"} == {
        "__init__.py",
        "disk.py",
        "errors.py",
        "frames.py",
        "progress.py",
        "text",
        "tasks",
        "metrics",
        "serving",
    }
    assert not list(code.rglob("*.pkl"))


def test_the_registry_has_the_bundle_when_the_exports_are_gone(registry, tiny_problem, monkeypatch):
    """The champion's folder is made again from the registered model."""
    from wenliu.model_store import ModelStore
    from wenliu.registry import Registry

    folder, uri, *_ = registry
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = ModelStore(folder, "tiny_problem")
    sha256 = Bundle.load(tiny_problem.bundle).sha256
    assert Bundle.load(store.download(1)).sha256 == sha256
    champion = Registry(folder, "tiny_problem").promote(1, "by hand")
    assert Bundle.load(champion.folder).sha256 == sha256


def test_files_of_a_deleted_version_go_too(registry, tiny_problem, tmp_path, monkeypatch):
    """Reliability 12: MLflow's own collection leaves registered models alone."""
    from wenliu.model_artifacts import ModelArtifacts
    from wenliu.model_store import ModelStore

    folder, uri, client, *_ = registry
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    store = ModelStore(folder, "tiny_problem")
    [version] = store.versions()
    experiment = client.create_experiment("tiny_problem", artifact_location=tmp_path.as_uri())
    left = client.create_logged_model(experiment, name="tiny_problem")
    files = tmp_path / "models" / left.model_id / "artifacts"
    files.mkdir(parents=True)
    (files / "model.onnx").write_bytes(b"x")
    artifacts = ModelArtifacts(store, [version], [], 7)
    assert artifacts.model_folders == [files]
    artifacts.delete()
    assert not files.exists()
    assert ModelArtifacts(store, [version], [], 7).model_folders == []
    assert store.download(1).is_dir()
