from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from sklearn.metrics import f1_score

from wenliu.errors import UserError
from wenliu.params import EvaluationParams
from wenliu.pipelines.evaluation import nodes, scoring, slices, tables
from wenliu.pipelines.evaluation.pipeline import create_pipeline
from wenliu.pipelines.evaluation.verdict import judge
from wenliu.schemas import BaselineProbabilities, ModelLogits, Predictions
from wenliu.tasks import get_task


class Kept(MemoryDataset):
    """A dataset that outlives the last node that reads it."""

    def _release(self) -> None:
        pass


def run(problem):
    """Every output of the stage, by the pipeline itself."""
    data = {
        "model": "folder",
        "token_ids": problem.tokens,
        "audited_examples": problem.audited,
        "words": problem.words,
        "label_map": problem.label_map,
        "checkpoint_profile": problem.profile,
        "params:evaluation": problem.params,
        "params:model": problem.model_params,
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in data.items()})
    pipeline = create_pipeline()
    assert pipeline.inputs() == set(data)
    assert all(node.namespace == "evaluation" for node in pipeline.nodes)
    for name in pipeline.all_outputs():
        catalog[name] = Kept()
    SequentialRunner().run(pipeline, catalog)
    return {name: catalog[name].load() for name in pipeline.all_outputs()}


def numbers(metrics, path=""):
    for key, value in metrics.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def test_whole_stage(problem, fake_model):
    fake_model(problem.logits)
    made = run(problem)
    ModelLogits.validate(made["model_logits"])
    BaselineProbabilities.validate(made["baseline_probabilities"])
    Predictions.validate(made["predictions"])
    for name in ("metrics", "scores", "evaluation_report", "calibration", "baseline_report"):
        json.dumps(made[name], allow_nan=False)

    test = problem.split == "test"
    metrics = made["metrics"]
    gold, predicted = problem.gold[test], problem.logits.argmax(axis=1)[test]
    assert metrics["test"]["rows"] == 80
    assert metrics["test"]["accuracy"] == pytest.approx((gold == predicted).mean())
    assert metrics["test"]["macro_f1"] == pytest.approx(f1_score(gold, predicted, average="macro"))
    assert metrics["test"]["macro_f1_low"] < metrics["test"]["macro_f1"]
    assert metrics["test"]["macro_f1"] < metrics["test"]["macro_f1_high"]
    assert metrics["test_leak_free"]["rows"] == 60
    assert metrics["validation"]["rows"] == 77  # three are dropped against test
    assert metrics["baseline"]["test"]["macro_f1"] > 0.8
    assert metrics["difference"]["macro_f1"] == pytest.approx(
        metrics["test"]["macro_f1"] - metrics["baseline"]["test"]["macro_f1"]
    )
    assert set(metrics["difference"]) >= {"macro_f1", "low", "high", "mcnemar_p"}
    assert set(metrics["calibration"]) >= {"ece_before", "ece_after", "temperature"}
    assert all(isinstance(value, int | float) for _, value in numbers(metrics))

    calibration = made["calibration"]
    assert calibration["rows"] == 77
    assert calibration["temperature"] > 1  # the fake model is too sure of itself

    found = made["label_findings"]
    probabilities = [error["probability"] for error in found["errors"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert len(found["errors"]) == min(20, (gold != predicted).sum())
    assert set(found["suspects"]) == {"train", "validation", "test"}

    page = made["evaluation_page"]
    for wanted in ("random weights", "&lt;售后&gt;", "leak-free", "Label suspects", "Temperature"):
        assert wanted in page
    assert "<售后>" not in page


def test_same_seed_same_everything(problem, fake_model):
    fake_model(problem.logits)
    first, again = run(problem), run(problem)
    assert first["metrics"] == again["metrics"]
    assert first["evaluation_page"] == again["evaluation_page"]


def test_without_test_split(build_problem, fake_model):
    problem = build_problem(splits=("train", "validation"))
    fake_model(problem.logits)
    made = run(problem)
    assert "test" not in made["metrics"]
    assert made["evaluation_report"]["scores"]["judged_on"] == "validation"
    assert "There is no test split" in made["evaluation_page"]
    assert set(made["label_findings"]["suspects"]) == {"train", "validation"}


def test_without_validation_split(build_problem, fake_model):
    problem = build_problem(splits=("train", "test"))
    fake_model(problem.logits)
    made = run(problem)
    assert made["calibration"]["temperature"] == 1.0
    assert made["baseline_report"]["chosen_on"] == "test"
    assert "validation" not in made["metrics"]


def test_nothing_to_judge_on(build_problem):
    problem = build_problem(splits=("train",))
    with pytest.raises(UserError, match="no validation and no test row"):
        nodes.predict_splits("folder", problem.tokens, problem.audited, problem.model_params)


def test_a_perfect_model(problem, fake_model):
    fake_model((9 * np.eye(3)[problem.gold]).astype(np.float32))
    made = run(problem)
    assert made["metrics"]["test"]["macro_f1"] == 1.0
    assert "The model makes no error" in made["evaluation_page"]


def test_foreign_rows_are_refused(problem, fake_model):
    fake_model(problem.logits)
    order = pa.array(range(len(problem.tokens))[::-1])
    with pytest.raises(ValueError, match="same rows"):
        nodes.predict_splits(
            "folder", problem.tokens.take(order), problem.audited, problem.model_params
        )


def test_better_baseline_is_chosen_on_validation(problem):
    probabilities, report = nodes.train_baselines(
        problem.audited, problem.words, problem.label_map, problem.params, problem.model_params
    )
    scores = {kind: s["validation"]["macro_f1"] for kind, s in report["scores"].items()}
    assert scores[report["kind"]] == max(scores.values())
    train = [s == "train" for s in probabilities["split"].to_pylist()]
    assert sum(train) == report["rows"] == 72  # without the rows that the audit dropped
    values = tables.matrix(probabilities["probabilities"], 3)
    assert np.allclose(values.sum(axis=1), 1, atol=1e-5)


def test_one_bar_over_all_fits(problem, monkeypatch):
    from wenliu.pipelines.evaluation import comparison

    bars = []

    def progress_bar(total, description, unit):
        bars.append(make_bar(total, description, unit))
        return bars[-1]

    make_bar = comparison.progress_bar
    monkeypatch.setattr(comparison, "progress_bar", progress_bar)
    nodes.train_baselines(
        problem.audited, problem.words, problem.label_map, problem.params, problem.model_params
    )
    assert [(bar.n, bar.total) for bar in bars] == [(7, 7)]  # two kinds, five folds


def test_the_tasks_metrics_are_those_reported(problem, fake_model, monkeypatch):
    from wenliu.tasks import SingleLabelClassification

    own = SingleLabelClassification.metrics

    def metrics(self, gold, outputs, n_labels):
        return {**own(self, gold, outputs, n_labels), "macro_f1": 0.123}

    monkeypatch.setattr(SingleLabelClassification, "metrics", metrics)
    fake_model(problem.logits)
    made = run(problem)
    assert made["metrics"]["test"]["macro_f1"] == 0.123
    assert made["metrics"]["baseline"]["test"]["macro_f1"] == 0.123
    assert made["baseline_report"]["scores"]["word"]["test"]["macro_f1"] == 0.123


def test_out_of_fold_suspects_find_a_wrong_label(build_problem, fake_model):
    problem = build_problem(n=600)
    row = int(np.flatnonzero(problem.split == "train")[5])
    wrong = problem.gold.copy()
    wrong[row] = (wrong[row] + 1) % 3
    column = problem.audited.column_names.index("label_id")
    problem.audited = problem.audited.set_column(column, "label_id", pa.array(wrong, pa.int32()))
    fake_model(problem.logits)
    suspects = run(problem)["label_findings"]["suspects"]["train"]
    assert f"a.csv:{row + 2}" in [s["id"] for s in suspects["shown"]]
    assert suspects["suspects"] < 30


@pytest.mark.parametrize(
    ("low", "high", "better", "words"),
    [
        (0.01, 0.05, "yes", "is better than the baseline by 3.0 points"),
        (-0.05, -0.01, "no", "is worse than the baseline by 3.0 points"),
        (-0.01, 0.05, "unclear", "not shown to be better"),
    ],
)
def test_verdict(low, high, better, words):
    scored = {
        "rows": 100,
        "model": {"macro_f1": 0.8},
        "baseline": {"macro_f1": 0.77},
        "difference": {"macro_f1": 0.03 if low > -0.02 else -0.03, "low": low, "high": high},
        "calibration": {"ece_after": 0.01},
    }
    verdict = judge(
        {"judged_on": "test", "sets": {"test": scored, "test_leak_free": scored}},
        {"kind": "word"}, {"source": "bert-base-chinese"}, EvaluationParams(),
    )  # fmt: skip
    assert verdict["better"] == better
    assert words in verdict["sentence"]
    assert verdict["notes"] == []
    assert bool(verdict["warnings"]) == (better == "no")


def test_length_slices_are_quarters():
    names = slices.length_slices(np.arange(1, 101))
    assert {name: names.count(name) for name in names} == {
        "1–25 characters": 25, "26–50 characters": 25, "51–75 characters": 25,
        "76–100 characters": 25,
    }  # fmt: skip
    assert slices.length_slices(np.array([7, 7, 7])) == ["7 characters"] * 3
    assert slices.length_slices(np.array([], dtype=np.int64)) == []


def test_rare_sources_are_one_slice():
    sources = np.array(["big.csv"] * 5 + [f"{i}.csv" for i in range(40)])
    assert len(set(slices.source_slices(sources))) == 21


def test_lists_and_matrix_are_inverse():
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    table = pa.table({"x": tables.lists(values)})
    split = pa.concat_tables([table.slice(0, 1), table.slice(1)])
    assert (tables.matrix(split["x"], 3) == values).all()
    assert (tables.matrix(split.slice(2)["x"], 3) == values[2:]).all()
    with pytest.raises(ValueError, match="not 4"):
        tables.matrix(table["x"], 4)


def test_flat_tokens_of_sliced_chunks():
    column = pa.chunked_array([[[1, 2], [3]], [[4, 5, 6]]], pa.list_(pa.int32()))
    flat, offsets = tables.flat_tokens(pa.table({"token_ids": column}).slice(1))
    assert flat.tolist() == [3, 4, 5, 6]
    assert offsets.tolist() == [0, 1, 4]


def test_a_perfect_score_on_few_rows_is_not_certain():
    """Resampling rows that are all right says 100 to 100 %; Wilson's interval does not."""
    gold = np.arange(13) % 3
    logits = np.eye(3)[gold] * 9
    options = {"n": 200, "confidence": 0.95, "seed": 1}
    scores = scoring.with_intervals(get_task("classification"), gold, logits, options)
    assert scores["accuracy"] == 1.0 and scores["accuracy_high"] > 0.999
    assert 0.7 < scores["accuracy_low"] < 0.8
    assert scores["macro_f1_low"] == scores["accuracy_low"]
