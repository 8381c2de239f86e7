"""Both bundles answer from raw text, in the processes and by the code that serve."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest

from wenliu.errors import UserError
from wenliu.params import PromotionParams
from wenliu.pipelines.promotion.nodes import (
    answer_gate_rows,
    check_bundles,
    decide_promotion,
    render_decision,
)
from wenliu.schemas import GatePredictions
from wenliu.serving import self_test
from wenliu.serving.bundle import Bundle
from wenliu.serving.manifest import MANIFEST, build_manifest


def rewritten(bundle: Path, target: Path, **contents: object) -> Path:
    """A valid copy of a bundle in which some JSON files say something else."""
    shutil.copytree(bundle, target)
    manifest = json.loads((target / MANIFEST).read_bytes())
    for name, content in contents.items():
        (target / f"{name}.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    files = {name: target / name for name in manifest["files"]}
    known = {"files", "runtime", "format", "content_sha256", "manifest_sha256"}
    facts = {key: value for key, value in manifest.items() if key not in known}
    (target / MANIFEST).write_bytes(build_manifest(files, runtime=manifest["runtime"], facts=facts))
    return target


@pytest.fixture
def audited(tiny_problem):
    """The tiny problem's rows; the last three are gate, audit and fresh."""
    table = tiny_problem.table("audited_examples")
    sets = [None] * (len(table) - 3) + ["gate", "audit", "fresh"]
    if "eval_set" in table.column_names:
        table = table.drop_columns("eval_set")
    return table.append_column("eval_set", pa.array(sets, pa.string()))


def reigning(folder):
    version = None if folder is None else 1
    return {"folder": folder, "version": version, "sha256": None, "labels": [], "reason": ""}


def test_both_models_answer_the_same_raw_rows(tiny_problem, audited, tmp_path):
    """The colder champion has the same labels and other probabilities."""
    colder = rewritten(tiny_problem.bundle, tmp_path / "champion", calibration={"temperature": 9.0})
    champion = reigning(colder)
    tests = check_bundles(tiny_problem.bundle, champion)
    assert tests["challenger"]["passed"] and tests["champion"]["passed"]
    assert tests["challenger"]["sha256"] != tests["champion"]["sha256"]
    label_map = tiny_problem.json("label_map")
    table = answer_gate_rows(tiny_problem.bundle, champion, tests, label_map, audited)
    assert GatePredictions.validate(table) is table
    assert table["eval_set"].to_pylist() == ["gate", "audit", "fresh"]
    assert table["champion"].to_pylist() == table["challenger"].to_pylist()
    cold, warm = (table[f"{name}_probability"].to_numpy() for name in ("champion", "challenger"))
    assert (cold < warm).all()
    texts = audited["text"].to_pylist()[-3:]
    expected = [p.label for p in Bundle.load(tiny_problem.bundle).predict(texts)]
    assert table["challenger"].to_pylist() == expected and table["text"].to_pylist() == texts


def test_a_champion_with_a_flipped_byte_is_not_asked(tiny_problem, audited, tmp_path):
    damaged = shutil.copytree(tiny_problem.bundle, tmp_path / "champion")
    model = bytearray((damaged / "model.onnx").read_bytes())
    model[len(model) // 2] ^= 1
    (damaged / "model.onnx").write_bytes(model)
    champion = reigning(damaged)
    tests = check_bundles(tiny_problem.bundle, champion)
    assert not tests["champion"]["passed"] and "model.onnx" in tests["champion"]["reason"]
    label_map = tiny_problem.json("label_map")
    table = answer_gate_rows(tiny_problem.bundle, champion, tests, label_map, audited)
    assert table["champion"].null_count == 3 and not table["challenger"].null_count
    turned = {name: tests[other] for name, other in zip(tests, reversed(tests), strict=True)}
    assert not len(answer_gate_rows(damaged, champion, turned, label_map, audited))


def test_a_champion_whose_bundle_is_lost_is_not_no_champion(tiny_problem, audited):
    lost = {**reigning(None), "version": 1, "reason": "the bundle is nowhere"}
    unnamed = {**reigning(None), "reason": "nobody named it"}
    for champion in (lost, unnamed):
        tests = check_bundles(tiny_problem.bundle, champion)
        assert tests["champion"]["reason"] == champion["reason"]
        assert not tests["champion"]["passed"]
    table = answer_gate_rows(
        tiny_problem.bundle, lost, tests, tiny_problem.json("label_map"), audited
    )
    assert table["champion"].null_count == 3


def test_a_champion_that_fails_for_a_moment_is_asked_again(monkeypatch):
    asked = []

    def busy(bundle):
        asked.append(bundle)
        return {"passed": asked.count(bundle) > 1}

    monkeypatch.setattr(self_test, "self_test", busy)
    tests = check_bundles(Path("new"), reigning(Path("old")))
    assert tests["champion"]["passed"] and not tests["challenger"]["passed"]
    assert asked == [Path("new"), Path("old"), Path("old")]


def test_without_a_champion_its_columns_are_empty(tiny_problem, audited):
    none = reigning(None)
    tests = check_bundles(tiny_problem.bundle, none)
    assert tests["champion"] is None
    label_map = tiny_problem.json("label_map")
    table = answer_gate_rows(tiny_problem.bundle, none, tests, label_map, audited)
    assert table["champion"].null_count == table["champion_probability"].null_count == 3


def test_a_challenger_with_other_labels_stops_the_run(tiny_problem, audited):
    """Reliability 15: unknown labels, or labels in another order: the run fails."""
    none = reigning(None)
    tests = check_bundles(tiny_problem.bundle, none)
    labels = {"labels": tiny_problem.json("label_map")["labels"][::-1]}
    with pytest.raises(UserError, match="those of the data are"):
        answer_gate_rows(tiny_problem.bundle, none, tests, labels, audited)


def test_the_nodes_fit_together_over_real_bundles(tiny_problem, audited, tmp_path, night):
    """From two bundles to a page: what a node leaves is what the next one reads."""
    all_gate = audited.drop_columns("eval_set")
    all_gate = all_gate.append_column("eval_set", pa.array(["gate"] * len(audited), pa.string()))
    colder = rewritten(tiny_problem.bundle, tmp_path / "champion", calibration={"temperature": 9.0})
    label_map = tiny_problem.json("label_map")
    champion = {**reigning(colder), "labels": label_map["labels"], "best": None, "blocked": {}}
    tests = check_bundles(tiny_problem.bundle, champion)
    table = answer_gate_rows(tiny_problem.bundle, champion, tests, label_map, all_gate)
    inputs = {
        **night.inputs,
        "self_tests": tests,
        "reigning_champion": {**champion, "sha256": tests["champion"]["sha256"]},
        "gate_predictions": table,
        "label_map": label_map,
        "export_report": {
            **night.inputs["export_report"], "bundle_sha256": tests["challenger"]["sha256"],
        },
        "params": PromotionParams(bootstrap=200, min_gate_rows=12),
    }  # fmt: skip
    decision = decide_promotion(**inputs)
    assert decision["decision"] == "promote" and decision["gate"]["delta"] == 0.0
    assert decision["gate"]["rows"] == len(audited) and not decision["flips"]["fixed"]
    assert tiny_problem.json("label_map")["labels"] == decision["challenger"]["labels"]
    assert "the new model serves" in render_decision(decision)
