from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from wenliu.errors import UserError
from wenliu.modeling.doctor import examine
from wenliu.modeling.network import build_model, load_model
from wenliu.tasks import SingleLabelClassification
from wenliu.training import fit as loop
from wenliu.training.batches import Rows
from wenliu.training.fit import fit
from wenliu.training.optimization import balanced_weights, build_optimizer, linear_schedule
from wenliu.training.plan import Plan
from wenliu.training.prediction import predict_logits

TASK = SingleLabelClassification()
CPU = torch.device("cpu")


def make_model(seed=1, dropout=0.1):
    size = SimpleNamespace(
        hidden_size=16, layers=2, heads=2, intermediate_size=32, max_positions=32, dropout=dropout
    )
    params = SimpleNamespace(checkpoint="scratch", revision=None, seed=seed, scratch=size)
    profile = examine(None, params)
    return build_model(profile, head=TASK.head, labels=["a", "b"], vocab_size=40, params=params)


def make_rows(n, seed=0):
    """Rows that hold token 10 or token 20; which one is the label."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 2, n)
    rows = []
    for label in labels:
        body = generator.integers(25, 40, generator.integers(3, 12))
        body[generator.integers(len(body))] = 20 if label else 10
        rows.append([2, *body, 3])
    offsets = np.cumsum([0, *map(len, rows)])
    return Rows.from_offsets(np.concatenate(rows).astype(np.int32), offsets, labels)


def flat_of(rows):
    [flat] = rows.flats
    return flat, np.append(rows.starts, len(flat))


TRAINING, VALIDATION = make_rows(96), make_rows(40, 1)


@pytest.fixture
def run(tmp_path, base_settings):
    """Fits a fresh model with settings that differ from the base."""

    def run(name="run", training=TRAINING, task=TASK, **changes):
        settings = replace(base_settings, **changes)
        return fit(make_model(), task, training, VALIDATION, settings, tmp_path / name, CPU)

    return run


def without_clock(history):
    return [{k: v for k, v in row.items() if k != "rows_per_second"} for row in history]


def test_it_learns_and_keeps_the_best(run, tmp_path):
    result = run(epochs=12)
    assert result.best_score > 0.9
    scores = {
        row["epoch"]: row["macro_f1"] for row in result.history if row["split"] == "validation"
    }
    assert result.best_score == max(scores.values()) == scores[result.best_epoch]
    assert result.best.is_dir() and result.best.parent == tmp_path / "run"
    logits = predict_logits(result.best, *flat_of(VALIDATION), batch_tokens=50, device="cpu")
    assert (logits.argmax(1) == VALIDATION.labels).mean() > 0.9
    assert result.steps == 12 * 12 and not result.stopped_early
    train_rows = [row for row in result.history if row["split"] == "train"]
    assert {"step", "epoch", "loss", "learning_rate", "rows_per_second"} <= set(train_rows[0])


def test_predictions_come_in_input_order(run):
    folder = run(epochs=1).best
    flat, offsets = flat_of(TRAINING)
    together = predict_logits(folder, flat, offsets, batch_tokens=64, device="cpu")
    model = load_model(folder)
    for i in range(0, 96, 13):
        with torch.inference_mode():
            ids = torch.from_numpy(flat[offsets[i] : offsets[i + 1]]).long()
            alone = model(input_ids=ids[None]).logits[0]
        assert np.allclose(together[i], alone, atol=1e-5)


def test_one_seed_gives_identical_metrics(run):
    first, second = run("a", token_dropout=0.1), run("b", token_dropout=0.1)
    assert without_clock(first.history) == without_clock(second.history)
    weights, others = (load_model(r.best).state_dict() for r in (first, second))
    assert all(torch.equal(weights[name], others[name]) for name in weights)
    assert without_clock(run("c", seed=6).history) != without_clock(first.history)


def test_accumulation_is_the_gradient_of_all_rows_at_once(tmp_path, base_settings):
    results = []
    for name, size, accumulation in (("a", 96, 1), ("b", 24, 4)):
        settings = replace(
            base_settings,
            batch_size=size,
            accumulation=accumulation,
            class_weights="balanced",
            epochs=3,
        )
        model = make_model(dropout=0.0)
        fit(model, TASK, TRAINING, VALIDATION, settings, tmp_path / name, CPU)
        results.append(model.state_dict())
    for name, tensor in results[0].items():
        assert torch.allclose(tensor, results[1][name], atol=1e-4), name


def test_early_stopping(run):
    # A learning rate of nothing never improves on the first evaluation.
    result = run(epochs=50, learning_rate=1e-12, patience=2)
    assert result.stopped_early and result.epochs == 3 and result.best_epoch == 1


def test_several_evaluations_an_epoch_and_other_metrics(run):
    result = run(epochs=2, evaluations_per_epoch=3, metric="loss")
    losses = [row["loss"] for row in result.history if row["split"] == "validation"]
    assert len(losses) == 6
    assert result.best_score == min(losses)


def test_the_tasks_metrics_choose_the_best_model(run):
    class FirstIsBest(SingleLabelClassification):
        def __init__(self):
            self.evaluations = 0

        def metrics(self, gold, outputs, n_labels):
            self.evaluations += 1
            return {**super().metrics(gold, outputs, n_labels), "macro_f1": 1 / self.evaluations}

    result = run(task=FirstIsBest())
    assert (result.best_score, result.best_epoch) == (1.0, 1.0)
    by_accuracy = run("accuracy", task=FirstIsBest(), epochs=12, metric="accuracy")
    assert by_accuracy.best_epoch > 1


def test_the_tasks_loss_is_minimised(run, monkeypatch):
    class Indifferent(SingleLabelClassification):
        loss = "nothing"

    def nothing(logits, gold, reduction="mean", **_):
        return logits.sum() * 0

    monkeypatch.setitem(loop.LOSSES, "nothing", nothing)
    result = run(task=Indifferent(), epochs=1)
    assert {row["loss"] for row in result.history} == {0.0}


def test_the_bar_shows_the_loss_of_every_step(run, monkeypatch):
    shown, steps = [""], []

    class Bar:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, rows):
            steps.append((rows, shown[-1]))

        def set_postfix_str(self, text, refresh):
            assert not refresh
            shown.append(text)

    def bar(total, description):
        assert total == 2 * len(TRAINING)
        return Bar()

    monkeypatch.setattr(loop, "progress_bar", bar)
    run(epochs=2)
    assert sum(rows for rows, _ in steps) == 2 * len(TRAINING)
    assert all(text.startswith("loss 0.") and "macro" not in text for _, text in steps[:12])
    assert all("loss 0." in text and "macro_f1 0." in text for _, text in steps[12:])


def test_nan_stops_with_a_remedy(run):
    with pytest.raises(UserError, match=r"(?s)loss became nan.*learning_rate"):
        run(learning_rate=float("nan"))


@pytest.mark.parametrize(("packed", "largest"), [(True, [0, 1]), (False, [2, 3, 4])])
def test_the_largest_step_counts_padding_where_there_is_some(base_settings, packed, largest):
    class TwoSteps(Plan):
        def __iter__(self):
            yield [np.array([0, 1]), np.array([2, 3, 4])]

    plan = TwoSteps(np.array([11, 12, 3, 3, 13]), base_settings, packed)
    assert plan.largest_step().tolist() == largest


def test_nothing_to_learn_from(run):
    with pytest.raises(UserError, match="no training rows"):
        run(training=TRAINING.take(np.array([], dtype=int)))


def test_bf16_runs(run):
    assert np.isfinite(run(epochs=1, precision="bf16").history[-1]["loss"])


def test_parameter_groups():
    model = make_model()
    optimizer = build_optimizer(model, 1.0, weight_decay=0.1, layer_decay=0.5)
    found = {}
    names = {id(p): name for name, p in model.named_parameters()}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            found[names[id(parameter)]] = (group["lr"], group["weight_decay"])
    assert len(found) == len(names)
    assert found["classifier.weight"] == (1.0, 0.1)
    assert found["classifier.bias"] == (1.0, 0.0)
    assert found["bert.encoder.layer.1.output.dense.weight"] == (0.5, 0.1)
    assert found["bert.encoder.layer.0.output.LayerNorm.weight"] == (0.25, 0.0)
    assert found["bert.embeddings.word_embeddings.weight"] == (0.125, 0.1)


def test_schedule_warms_up_and_decays_to_zero():
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = linear_schedule(optimizer, steps=10, warmup=0.2)
    rates = []
    for _ in range(10):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    assert rates[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert rates[-1] == pytest.approx(1 / 8)
    assert schedule.get_last_lr()[0] == 0


def test_balanced_weights():
    weights = balanced_weights(torch.tensor([0, 0, 0, 1]), 3)
    assert weights.tolist() == pytest.approx([4 / 9, 4 / 3, 4 / 3])
    assert cross_entropy(torch.zeros(1, 3), torch.tensor([1]), weight=weights) > 0
