"""The data and the configuration that a model is known by, and the champion at a start."""

from __future__ import annotations

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Node, Pipeline

from wenliu.datasets import RawFiles, RegisteredModelDataset
from wenliu.errors import UserError
from wenliu.hooks.registry import RegistryHook, config_of, data_of
from wenliu.registry import Registry


def raw(folder, **files):
    folder.mkdir()
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return DataCatalog({"raw_files": RawFiles(str(folder))})


def test_data_are_the_contents_whatever_the_files_are_called(tmp_path):
    """Reliability 17: a file that is dropped again under another name is the same data."""
    one = data_of(raw(tmp_path / "a", monday="x,1", tuesday="y,2"))
    assert one == data_of(raw(tmp_path / "b", first="y,2", second="x,1", third="x,1"))
    assert one != data_of(raw(tmp_path / "c", monday="x,1", tuesday="y,3"))
    assert data_of(DataCatalog({"raw_files": RawFiles(str(tmp_path / "none"))}))


def test_configuration_is_what_makes_a_model_not_what_judges_it():
    """Reliability 17: another gate does not make another model of the same data."""
    one = config_of({"finetuning": {"epochs": 3}})
    assert one == config_of({"finetuning": {"epochs": 3}, "promotion": {"strategy": "superior"}})
    assert one != config_of({"finetuning": {"epochs": 4}})
    assert config_of({}) == config_of({"finetuning": {}})


@pytest.fixture
def hook(tmp_path):
    hook = RegistryHook()
    hook._project, hook._problem, hook._config = tmp_path, "tickets", "c" * 64
    return hook


def make():
    return {}


def pipeline(stage, output):
    return Pipeline(
        [Node(make, None, output, name="make")], namespace=stage,
        prefix_datasets_with_namespace=False,
    )  # fmt: skip


def test_a_registered_model_is_told_its_origin(hook, tmp_path):
    catalog = raw(tmp_path / "raw", rows="x")
    catalog["registered_model"] = RegisteredModelDataset("tickets")
    hook.before_pipeline_run(pipeline("export", "registered_model"), catalog)
    assert catalog["registered_model"].origin() == (data_of(catalog), "c" * 64)


def test_a_run_reconciles_and_inference_asks_nobody(hook, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(Registry, "reconcile", lambda self: asked.append(self.problem) or ["done"])
    hook.before_pipeline_run(pipeline("inference", "report"), DataCatalog())
    assert asked == []
    hook.before_pipeline_run(pipeline("ingestion", "examples"), DataCatalog())
    assert asked == ["tickets"]
    assert "Registry: done" in capsys.readouterr().err


def test_a_registry_that_does_not_answer_is_a_warning(hook, monkeypatch, caplog):
    def fail(self):
        raise UserError("MLflow does not answer")

    monkeypatch.setattr(Registry, "reconcile", fail)
    hook.before_pipeline_run(pipeline("ingestion", "examples"), DataCatalog())
    assert "The champion was not looked after" in caplog.text
