"""The bundle is the trained model, and what it serves is what was evaluated."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from wenliu import progress
from wenliu.datasets import FolderDataset
from wenliu.errors import UserError
from wenliu.params import ExportParams, ModelParams
from wenliu.pipelines.export.nodes import (
    build_bundle,
    compare_with_torch,
    register_model,
    verify_bundle,
)
from wenliu.pipelines.export.pipeline import create_pipeline
from wenliu.serving.bundle import Bundle

PARAMS = ExportParams(engines=("onnxruntime",))
TABLES = ("examples", "audited_examples", "predictions")


def tables(problem):
    return {name: problem.table(name) for name in TABLES}


def test_the_same_model_exported_twice_is_the_same_bundle(tiny_problem, tmp_path, monkeypatch):
    bars, make_bar = [], progress.progress_bar
    monkeypatch.setattr(
        progress, "progress_bar", lambda *a, **k: bars.append(make_bar(*a, **k)) or bars[-1]
    )
    inputs = tiny_problem.export_inputs(tmp_path)
    files = build_bundle(**inputs, params=PARAMS, model_params=ModelParams())
    for name, content in files.items():
        content = content.read_bytes() if isinstance(content, Path) else content
        assert (tiny_problem.bundle / name).read_bytes() == content, name
    assert (bars[0].n, bars[0].total) == (3, 3)  # a part after the other


def test_the_manifest_says_what_is_inside(tiny_problem):
    manifest = Bundle.load(tiny_problem.bundle).manifest
    runtime = dict(manifest["runtime"])
    assert runtime.pop("engines")["onnxruntime"]["offered"] == ["fp32", "int8"]
    assert runtime == {"task": "classification", "max_length": 32, "truncation": "head"}
    assert manifest["parity"]["rows"] == 6
    assert manifest["parity"]["max_abs_logit_difference"] <= 1e-3
    assert manifest["parity"]["same_labels"] == 1
    assert manifest["metrics"] == {"test.accuracy": 0.75, "test.macro_f1": 0.7}
    assert {"wenliu", "torch", "onnxruntime"} <= set(manifest["versions"])
    assert "numpy" not in json.dumps(manifest["files"])


def test_the_card_says_what_it_is_and_what_it_is_not(tiny_problem):
    card = (tiny_problem.bundle / "model_card.md").read_text("utf-8")
    for part in (
        "# ",
        "中文文本分类模型",
        "物流",
        "random weights",
        "| test | 3 | 0.750 |",
        "Limits",
    ):
        assert part in card
    assert "train: 6 rows" in card


def test_the_report_compares_raw_text_with_the_evaluation(tiny_problem):
    report = verify_bundle(tiny_problem.bundle, **tables(tiny_problem), params=PARAMS)
    raw = report["raw_path"]
    assert raw["split"] == "test"
    assert raw["rows"] == 3
    assert raw["same_labels"] == 1
    assert raw["accuracy_difference"] == 0
    assert raw["max_abs_probability_difference"] <= 1e-6
    assert report["bytes"] == sum(file["size"] for file in report["files"].values())
    json.dumps(report, allow_nan=False)


def test_validation_serves_where_there_is_no_test(tiny_problem):
    given = tables(tiny_problem)
    rows = given["predictions"]
    given["predictions"] = rows.filter(pc.equal(rows["split"], "validation"))
    report = verify_bundle(tiny_problem.bundle, **given, params=PARAMS)
    assert report["raw_path"]["split"] == "validation"


def frozen(problem, marks):
    """The tables of a problem whose three test rows judge models so."""
    given = tables(problem)
    audited = given["audited_examples"]
    given["audited_examples"] = replaced(audited, "eval_set", [*[None] * 9, *marks])
    return given


def turned(given, rows):
    """Evaluation said something else of these of the three validation and three test rows."""
    logits = np.array(given["predictions"]["logits"].to_pylist())
    logits[rows] = np.roll(logits[rows], 1, axis=1)
    return {**given, "predictions": replaced(given["predictions"], "logits", logits.tolist())}


def test_gate_and_audit_rows_are_scored_and_decide_nothing(tiny_problem):
    """Audit rows decide nothing: validation and fresh rows say whether the bundle is the model."""
    given = frozen(tiny_problem, ("gate", "audit", "fresh"))
    raw = verify_bundle(tiny_problem.bundle, **given, params=PARAMS)["raw_path"]
    assert (raw["split"], raw["rows"]) == ("test", 3)
    assert raw["decided_on"] == {"rows": 4, "same_labels": 1.0}
    wrong = verify_bundle(tiny_problem.bundle, **turned(given, [3, 4]), params=PARAMS)["raw_path"]
    assert wrong["same_labels"] < 0.5 and wrong["decided_on"]["same_labels"] == 1.0
    for row in (0, 5):  # validation, fresh
        with pytest.raises(UserError, match="another label"):
            verify_bundle(tiny_problem.bundle, **turned(given, [row]), params=PARAMS)


def test_the_bundle_is_chosen_without_gate_and_audit_rows(tiny_problem, tmp_path):
    inputs = tiny_problem.export_inputs(tmp_path)
    inputs["audited_examples"] = frozen(tiny_problem, ("gate", "audit", "fresh"))[
        "audited_examples"
    ]
    files = build_bundle(**inputs, params=PARAMS, model_params=ModelParams())
    manifest = json.loads(files["manifest.json"])
    assert manifest["parity"]["rows"] == 4 and manifest["rows"]["test"] == 3
    assert manifest["precisions"][0]["rows"] == {"validation": 3, "test": 1}


def replaced(table, column, values):
    field = table.schema.field(column)
    place = table.schema.get_field_index(column)
    return table.set_column(place, field, pa.array(values, field.type))


def test_another_model_than_the_evaluated_one_is_refused(tiny_problem):
    given = tables(tiny_problem)
    others = np.roll(np.array(given["predictions"]["logits"].to_pylist()), 1, axis=1)
    given["predictions"] = replaced(given["predictions"], "logits", others.tolist())
    with pytest.raises(UserError, match="another label"):
        verify_bundle(tiny_problem.bundle, **given, params=PARAMS)


def test_cleaning_that_differs_from_training_is_refused(tiny_problem):
    given = tables(tiny_problem)
    texts = given["audited_examples"]["clean_text"].to_pylist()
    given["audited_examples"] = replaced(
        given["audited_examples"], "clean_text", [text + "!" for text in texts]
    )
    with pytest.raises(UserError, match="cleans a text otherwise"):
        verify_bundle(tiny_problem.bundle, **given, params=PARAMS)


def test_tables_of_another_run_are_refused(tiny_problem):
    given = tables(tiny_problem)
    given["examples"] = given["examples"].slice(0, 2)
    with pytest.raises(UserError, match="not among the examples"):
        verify_bundle(tiny_problem.bundle, **given, params=PARAMS)


def test_onnx_that_is_not_the_model_is_refused(tiny_problem, tmp_path):
    inputs = tiny_problem.export_inputs(tmp_path)
    with pytest.raises(UserError, match="a logit differs"):
        build_bundle(
            **inputs, params=ExportParams(parity_tolerance=1e-12), model_params=ModelParams()
        )


def test_torch_computes_on_the_device_of_the_model(tiny_problem, monkeypatch):
    import wenliu.training.prediction as prediction

    devices, predict = [], prediction.predict_logits

    def predict_logits(folder, flat, offsets, *, device):
        devices.append(device)
        return predict(folder, flat, offsets, device="cpu")

    monkeypatch.setattr(prediction, "predict_logits", predict_logits)
    given = tiny_problem.table("token_ids")
    onnx_file = tiny_problem.bundle / "model.onnx"
    assert compare_with_torch(tiny_problem.model, onnx_file, given, PARAMS, "cuda:1")["rows"] == 6
    assert devices == ["cuda:1"]


def test_a_tampered_bundle_is_not_verified(tiny_problem, tmp_path):
    bundle = Path(shutil.copytree(tiny_problem.bundle, tmp_path / "bundle"))
    (bundle / "labels.json").write_text('{"labels": ["质量", "物流", "售后"]}', "utf-8")
    with pytest.raises(UserError):
        verify_bundle(bundle, **tables(tiny_problem), params=PARAMS)


def test_nothing_is_registered_where_that_is_turned_off(tiny_problem):
    report = verify_bundle(tiny_problem.bundle, **tables(tiny_problem), params=PARAMS)
    assert register_model(tiny_problem.bundle, report, PARAMS)["bundle"] == tiny_problem.bundle
    off = ExportParams(register_model=False)
    assert register_model(tiny_problem.bundle, report, off)["bundle"] is None


def test_the_pipeline_runs_from_a_catalog(tiny_problem, tmp_path):
    inputs = {**tiny_problem.export_inputs(tmp_path), **tables(tiny_problem)}
    catalog = DataCatalog({k: MemoryDataset(v, copy_mode="assign") for k, v in inputs.items()})
    catalog["params:export"] = MemoryDataset(PARAMS)
    catalog["params:model"] = MemoryDataset(ModelParams())
    catalog["bundle"] = FolderDataset(str(tmp_path / "bundle"))
    catalog["registered_model"] = MemoryDataset()
    SequentialRunner().run(create_pipeline(), catalog)
    assert "recomputed from raw text" in catalog.load("registered_model")["description"]
    assert Bundle.load(tmp_path / "bundle").sha256 == Bundle.load(tiny_problem.bundle).sha256
