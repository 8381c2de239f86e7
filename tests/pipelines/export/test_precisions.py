"""A precision that loses labels is not in the bundle, and the manifest says why."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import numpy_helper

from wenliu.modeling import quantization
from wenliu.params import ExportParams
from wenliu.pipelines.export import precisions, raw_path
from wenliu.pipelines.export.nodes import verify_bundle
from wenliu.pipelines.export.precisions import STEADY, offer_precisions
from wenliu.pipelines.export.rows import leave_out_judges, may_choose, spread_rows
from wenliu.serving import engines
from wenliu.serving import precisions as serving_precisions
from wenliu.serving.bundle import Bundle
from wenliu.serving.manifest import MANIFEST, BundleError, build_manifest
from wenliu.serving.precisions import Choice
from wenliu.tasks import get_task

needs_openvino = pytest.mark.skipif(
    find_spec("openvino") is None or find_spec("nncf") is None,
    reason="the extra openvino is not installed",
)
ONNXRUNTIME = ExportParams(engines=("onnxruntime",))


def offer(tiny_problem, folder: Path, params: ExportParams = ONNXRUNTIME):
    onnx_file = Path(shutil.copy(tiny_problem.bundle / "model.onnx", folder / "model.onnx"))
    made = offer_precisions(
        onnx_file, tiny_problem.table("token_ids"), get_task("classification"), 3, 1.7, params
    )
    return made, {(one["engine"], one["precision"]): one for one in made.measured}


def test_what_keeps_its_labels_is_offered_with_its_figures(tiny_problem, tmp_path):
    made, measured = offer(tiny_problem, tmp_path)
    assert made.engines["onnxruntime"]["offered"] == ["fp32", "int8"]
    assert set(made.files) == {"model.int8.onnx"}
    figures = measured["onnxruntime", "int8"]
    assert figures["rows"] == {"validation": 3, "test": 3}
    assert figures["same_labels"] == {"validation": 1, "test": 1}
    assert {"accuracy", "macro_f1", "ece"} <= set(figures)
    assert "within 0.5 point" in figures["why"]
    assert measured["openvino", "int8"]["why"] == "left out by export.engines"


def test_what_moves_with_its_neighbours_is_not_chosen_by_itself(tiny_problem, tmp_path):
    made, measured = offer(tiny_problem, tmp_path)
    assert measured["onnxruntime", "fp32"]["moved_by_neighbours"] <= STEADY
    assert measured["onnxruntime", "int8"]["moved_by_neighbours"] > STEADY
    assert "only where asked for" in measured["onnxruntime", "int8"]["why"]
    assert made.engines["onnxruntime"]["chosen"] == "fp32"


def test_a_bad_quantisation_is_refused(tiny_problem, tmp_path, monkeypatch):
    """Reliability 28: int8 that keeps fewer than 99 % of fp32's labels is not offered."""
    quantize = quantization.quantize_for_onnxruntime

    def corrupt(source, target, *, reduce_range):
        quantize(source, target, reduce_range=reduce_range)
        model = onnx.load(target)
        for tensor in model.graph.initializer:  # the classifier's bias: one label for every row
            if list(tensor.dims) == [3] and tensor.data_type == onnx.TensorProto.FLOAT:
                biased = np.array([0, 90, 0], np.float32)
                tensor.CopyFrom(numpy_helper.from_array(biased, tensor.name))
        onnx.save(model, target)

    monkeypatch.setattr(quantization, "quantize_for_onnxruntime", corrupt)
    made, measured = offer(tiny_problem, tmp_path)
    assert made.engines["onnxruntime"] == {
        **made.engines["onnxruntime"],
        "chosen": "fp32",
        "offered": ["fp32"],
    }
    assert made.files == {}
    refused = measured["onnxruntime", "int8"]
    assert not refused["offered"]
    assert "loses" in refused["why"] or "of fp32's labels" in refused["why"]
    assert refused["same_labels"]["validation"] < 0.99


def test_a_quantisation_that_fails_costs_only_itself(tiny_problem, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no such operator")

    monkeypatch.setattr(quantization, "quantize_for_onnxruntime", fail)
    made, measured = offer(tiny_problem, tmp_path)
    assert made.engines["onnxruntime"]["offered"] == ["fp32"]
    assert measured["onnxruntime", "int8"]["why"] == "failed: RuntimeError: no such operator"


class Computed:
    """Stands for an engine: what a real one computes, changed on purpose."""

    def __init__(self, real, change):
        self._real, self._change = real, change

    def logits(self, flat, offsets):
        return self._change(self._real.logits(flat, offsets))


def with_openvino(monkeypatch, **changes):
    """OpenVINO's precisions by onnxruntime's fp32, each changed; what is not named fails."""
    real = precisions._runtime
    fp32 = Choice("onnxruntime", "fp32")

    def runtime(choice, files):
        if choice.engine == "onnxruntime":
            return real(choice, files)
        if choice.precision not in changes:
            raise RuntimeError("cannot compile")
        return Computed(real(fp32, {"model.onnx": model}), changes[choice.precision])

    def make(choice, onnx_file, *_):
        nonlocal model
        model = onnx_file
        return {name: onnx_file.with_name(name) for name in choice.files}

    model = None
    monkeypatch.setattr(precisions, "_not_tried", lambda choice, params: None)
    monkeypatch.setattr(precisions, "_runtime", runtime)
    monkeypatch.setattr(precisions, "_make", make)
    # onnxruntime's int8 is none of this: it would have to be made.
    monkeypatch.setattr(serving_precisions, "FILES", {
        key: files for key, files in serving_precisions.FILES.items()
        if key != ("onnxruntime", "int8")
    })  # fmt: skip


def unsteady(logits):
    """A row computed alone is another than among others; its label stays."""
    return logits * (1.01 if len(logits) == 1 else 1)


def same(logits):
    return logits


def test_fp32_of_openvino_that_fails_costs_only_itself(tiny_problem, tmp_path, monkeypatch):
    with_openvino(monkeypatch, int8=same)
    made, measured = offer(tiny_problem, tmp_path)
    assert measured["openvino", "fp32"]["why"] == "failed: RuntimeError: cannot compile"
    assert made.engines["openvino"]["chosen"] == "int8"
    assert made.engines["openvino"]["offered"] == ["int8"]
    assert made.engines["onnxruntime"]["chosen"] == "fp32"


def test_an_engine_of_which_nothing_could_be_chosen_is_left_out(
    tiny_problem, tmp_path, monkeypatch
):
    with_openvino(monkeypatch, int8=unsteady)
    made, measured = offer(tiny_problem, tmp_path)
    assert set(made.engines) == {"onnxruntime"}
    assert made.files == {}
    assert not measured["openvino", "int8"]["offered"]
    assert "its fp32 is not offered" in measured["openvino", "int8"]["why"]


def test_logits_that_are_no_numbers_are_refused(tiny_problem, tmp_path, monkeypatch):
    with_openvino(monkeypatch, fp32=same, int8=lambda logits: logits * np.nan)
    made, measured = offer(tiny_problem, tmp_path)
    assert made.engines["openvino"]["offered"] == ["fp32"]
    assert "is not a number" in measured["openvino", "int8"]["why"]
    json.dumps(made.measured, allow_nan=False)


def test_fp32_of_onnxruntime_that_fails_stops_the_export(tiny_problem, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("cannot load")

    monkeypatch.setattr(precisions, "_runtime", fail)
    with pytest.raises(RuntimeError, match="cannot load"):
        offer(tiny_problem, tmp_path)


def test_what_is_left_out_is_not_made(tiny_problem, tmp_path):
    params = ExportParams(engines=("onnxruntime",), precisions=("fp32",))
    made, measured = offer(tiny_problem, tmp_path, params)
    assert made.files == {}
    assert measured["onnxruntime", "int8"]["why"] == "left out by export.precisions"


def test_without_openvino_there_is_onnxruntime(tiny_problem, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    made, measured = offer(tiny_problem, tmp_path, ExportParams())
    assert set(made.engines) == {"onnxruntime"}
    assert measured["openvino", "fp32"]["why"] == "OpenVINO is not installed"


def test_where_nothing_is_held_out_training_rows_are_measured(tiny_problem, tmp_path):
    table = tiny_problem.table("token_ids")
    place = table.schema.get_field_index("split")
    table = table.set_column(place, table.schema.field("split"), pa.array(["train"] * 12))
    onnx_file = Path(shutil.copy(tiny_problem.bundle / "model.onnx", tmp_path / "model.onnx"))
    made = offer_precisions(onnx_file, table, get_task("classification"), 3, 1.7, ONNXRUNTIME)
    assert made.measured[0]["rows"] == {"train": 12}


def test_rows_are_spread_evenly_and_dropped_ones_left_out(tiny_problem):
    table = tiny_problem.table("token_ids")
    everything = spread_rows(table, ["train"], 100)
    assert everything.gold.size == everything.offsets.size - 1 == 6
    some = spread_rows(table, ["train"], 2)
    assert some.gold.tolist() == everything.gold[[0, 5]].tolist()
    place = table.schema.get_field_index("dropped")
    dropped = ["leak", *[None] * 11]
    table = table.set_column(place, table.schema.field("dropped"), pa.array(dropped, pa.string()))
    assert spread_rows(table, ["train"], 100).gold.size == 5
    assert spread_rows(table, ["nothing"], 5).offsets.tolist() == [0]


def marked(tiny_problem, marks):
    """The audited rows, of which the last three are test."""
    table = tiny_problem.table("audited_examples")
    place = table.schema.get_field_index("eval_set")
    sets = pa.array([*[None] * 9, *marks], pa.string())
    return table.set_column(place, table.schema.field("eval_set"), sets)


@pytest.mark.parametrize(
    ("marks", "left"),
    [
        ((None, None, None), 3),  # not frozen
        (("gate", "audit", "fresh"), 1),
        (("gate", None, "audit"), 0),  # the one between is a copy of a frozen text
    ],
)
def test_rows_that_judge_models_choose_nothing(tiny_problem, marks, left):
    """Audit rows decide nothing, here too."""
    token_ids, audited = tiny_problem.table("token_ids"), marked(tiny_problem, marks)
    assert may_choose(audited).tolist()[:9] == [True] * 9
    choosing = leave_out_judges(token_ids, audited)
    assert choosing.schema == token_ids.schema
    assert spread_rows(choosing, ["test"], 100).gold.size == left
    assert spread_rows(choosing, ["train"], 100).gold.size == 6
    if left:
        [row] = spread_rows(choosing, ["test"], 1).gold[-1:]
        assert row == token_ids["label_id"][11 if left == 1 else 9].as_py()


@needs_openvino
def test_openvino_makes_the_same_file_each_time_and_serves_it(tiny_problem, tmp_path, monkeypatch):
    # Six rows and random weights: 8 bits lose a label, and the gate would rightly refuse.
    monkeypatch.setattr(precisions, "SAME_LABELS", 0)
    monkeypatch.setattr(precisions, "MAX_LOSS", 1)
    monkeypatch.setattr(raw_path, "SERVED_LABELS", 0)
    (tmp_path / "again").mkdir()
    params = ExportParams(precisions=("int8",))
    made, measured = offer(tiny_problem, tmp_path, params)
    again, _ = offer(tiny_problem, tmp_path / "again", params)
    assert made.measured == again.measured
    assert {"fp32", "int8"} == set(made.engines["openvino"]["offered"])
    for name, path in made.files.items():
        assert path.read_bytes() == again.files[name].read_bytes(), name
    assert measured["openvino", "bf16"]["why"] == "left out by export.precisions"

    bundle = Path(shutil.copytree(tiny_problem.bundle, tmp_path / "bundle"))
    for name, path in made.files.items():
        shutil.copy(path, bundle / name)
    facts = json.loads((bundle / MANIFEST).read_text("utf-8"))
    files = {p.name: p for p in bundle.iterdir() if p.name != MANIFEST}
    manifest = build_manifest(
        files,
        runtime={**facts["runtime"], "engines": made.engines},
        facts={**{k: facts[k] for k in ("parity", "metrics")}, "precisions": made.measured},
    )
    (bundle / MANIFEST).write_bytes(manifest)

    int8 = Bundle.load(bundle)
    assert int8.choice == ("openvino", "int8")
    texts = ["快递三天了还没到", "质量不错下次再来", "手机壳太薄了"]
    # Fixed scales: a row's result does not depend on the rows beside it.
    alone = np.concatenate([int8.logits([text]) for text in texts])
    assert np.abs(int8.logits(texts) - alone).max() < 1e-5
    tables = {n: tiny_problem.table(n) for n in ("examples", "audited_examples", "predictions")}
    report = verify_bundle(bundle, **tables, params=ExportParams())
    assert set(report["raw_path"]["served"]) == {"int8 by openvino"}

    for name in int8.choice.files:
        content = bytearray((bundle / name).read_bytes())
        content[len(content) // 2] ^= 1
        (bundle / name).write_bytes(content)
        for engine in ("openvino", "onnxruntime"):  # whether it is what is loaded or not
            with pytest.raises(BundleError, match="not what the manifest says"):
                Bundle.load(bundle, engine=engine)
        content[len(content) // 2] ^= 1
        (bundle / name).write_bytes(content)
