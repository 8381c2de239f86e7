"""A fit that was ended and goes on becomes what it would have become."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from wenliu.modeling.packed import as_classifier
from wenliu.tasks import SingleLabelClassification
from wenliu.training import saving
from wenliu.training.checkpoints import Checkpoints
from wenliu.training.cuda_step import CudaStep
from wenliu.training.fit import fit
from wenliu.training.identity import identity_of
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.state import read_state, restore_state
from wenliu.training.step import TrainStep

CPU, TASK = torch.device("cpu"), SingleLabelClassification()


@pytest.mark.parametrize(
    ("kind", "kills"),
    [
        ("packed", 5),
        pytest.param("packed", 40, marks=pytest.mark.slow),
        pytest.param("padded", 20, marks=pytest.mark.slow),
        pytest.param("two", 6, marks=pytest.mark.slow),
    ],
)
def test_a_killed_fit_becomes_what_it_would_have_become(tmp_path, kind, kills):
    """Reliability 5: SIGKILL at random moments, most of them while a checkpoint is written."""
    program = Path(__file__).with_name("killed_fits.py")
    result = subprocess.run(
        [sys.executable, program, tmp_path, kind, str(kills), "7"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr[-2000:]
    reports = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(reports) == kills
    assert all(report["weights"] and report["rest"] for report in reports), reports
    assert any(report["resumed_from"] for report in reports)


class EndedError(Exception):
    """In the place of a power failure, where a process of its own would take too long."""


@pytest.fixture
def train(tmp_path, tiny_model, tiny_rows, base_settings, monkeypatch):
    """Fits a tiny model with dropout in a workspace; gives the model and the result."""

    def train(name, ended_at=None, minutes=0.0, **changes):
        settings = replace(
            base_settings, epochs=2, token_dropout=0.1, checkpoint_minutes=minutes, **changes
        )
        taken, take = [], TrainStep.__call__

        def call(self, rows, epoch):
            if len(taken) == ended_at:
                raise EndedError
            taken.append(rows)
            take(self, rows, epoch)

        model = tiny_model(0.1)
        with monkeypatch.context() as patch:
            patch.setattr(TrainStep, "__call__", call)
            rows = tiny_rows(64), tiny_rows(20, 1)
            return model, fit(model, TASK, *rows, settings, tmp_path / name, CPU)

    return train


@pytest.fixture
def ended(train, tmp_path):
    """A workspace whose fit was ended in its 12th step; its last checkpoint is of the 11th."""
    with pytest.raises(EndedError):
        train("ended", ended_at=11)
    return tmp_path / "ended"


def same(first, second):
    (model, result), (other, other_result) = first, second
    weights, others = model.state_dict(), other.state_dict()
    histories = [
        [{k: v for k, v in row.items() if k != "rows_per_second"} for row in r.history]
        for r in (result, other_result)
    ]
    facts = [
        (r.best.name, r.best_score, r.best_epoch, r.steps, r.epochs) for r in (result, other_result)
    ]
    return (
        all(torch.equal(weights[name], others[name]) for name in weights)
        and histories[0] == histories[1]
        and facts[0] == facts[1]
    )


def checkpoints_in(workspace):
    return sorted(path.name for path in (workspace / "checkpoints").iterdir())


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1])


def empty(path):
    path.write_bytes(b"")


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def test_the_two_newest_checkpoints_are_kept(ended):
    assert checkpoints_in(ended) == ["step-00000010", "step-00000011"]
    assert [path.name for path in ended.glob("best-*")] == ["best-00000008"]


@pytest.mark.parametrize("damage", [truncate, empty, flip, Path.unlink])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(
    train, ended, tmp_path, caplog, damage
):
    """Reliability 4: any file of the newest checkpoint truncated, flipped or gone."""
    whole = train("whole")
    names = sorted(path.name for path in (ended / "checkpoints/step-00000011").iterdir())
    assert names == [
        "manifest.json", "optimizer.safetensors", "processes.safetensors", "progress.json",
        "weights.safetensors",
    ]  # fmt: skip
    for name in names:
        shutil.copytree(ended, tmp_path / f"without-{name}")
        damage(tmp_path / f"without-{name}" / "checkpoints/step-00000011" / name)
        caplog.clear()
        resumed = train(f"without-{name}")
        assert resumed[1].resumed_from == 10, name
        assert "step-00000011 is not used" in caplog.text
        assert same(whole, resumed), name


def test_without_any_whole_checkpoint_the_fit_starts_anew(train, ended):
    """Reliability 4: also where the best model that both refer to is damaged."""
    whole = train("whole")
    truncate(ended / "best-00000008" / "model.safetensors")
    again = train("ended")
    assert again[1].resumed_from is None
    assert same(whole, again)


def test_a_fit_that_was_done_is_not_done_again(train, monkeypatch):
    whole = train("once")
    monkeypatch.setattr(TrainStep, "_update", lambda self: pytest.fail("another update"))
    again = train("once")
    assert again[1].resumed_from == whole[1].steps == 16
    assert same(whole, again)


@pytest.mark.parametrize("changes", [{"seed": 6}, {"learning_rate": 1e-3}, {"batch_size": 9}])
def test_a_checkpoint_of_other_settings_is_never_used(train, ended, changes):
    assert train("ended", **changes)[1].resumed_from is None


def test_what_a_fit_depends_on_makes_its_identity(tiny_model, tiny_rows, base_settings):
    from wenliu.training.distributed import World

    given = {
        "model": tiny_model(0.1), "task": TASK, "training": tiny_rows(9), "device": CPU,
        "validation": tiny_rows(5, 1), "settings": base_settings, "world": World(),
    }  # fmt: skip
    identity = identity_of(**given)
    assert identity == identity_of(**given)
    assert identity == identity_of(
        **given | {"settings": replace(base_settings, checkpoint_minutes=1.0)}
    )
    other_weights, other_tokens = tiny_model(0.1), tiny_rows(9)
    with torch.no_grad():
        other_weights.classifier.bias[0] += 1e-7
    other_tokens.flats[0][3] += 1
    other_labels = replace(tiny_rows(9), labels=1 - tiny_rows(9).labels)
    for change in (
        {"model": other_weights}, {"training": other_tokens}, {"validation": other_labels},
        {"world": World(0, 2)}, {"settings": replace(base_settings, patience=9)},
    ):  # fmt: skip
        assert identity_of(**given | change) != identity, change


def test_memory_that_ran_out_is_remembered(train, monkeypatch):
    backward, calls = TrainStep._backward, []

    def fail(self, batch, weight):
        calls.append(batch)
        if len(calls) == 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return backward(self, batch, weight)

    with monkeypatch.context() as patch, pytest.raises(EndedError):
        patch.setattr(TrainStep, "_backward", fail)
        train("short", ended_at=9)
    _, result = train("short")
    assert (result.micro_batches, result.out_of_memory, result.resumed_from) == (2, 1, 9)


@pytest.mark.parametrize("kind", [TrainStep, CudaStep])
def test_the_state_of_a_step_is_all_that_the_next_one_needs(
    tmp_path, tiny_model, tiny_rows, base_settings, kind
):
    """Also of the steps that a GPU takes, in their static shapes."""
    rows, chosen = tiny_rows(60), [np.arange(60)[i : i + 12] for i in range(0, 60, 12)]
    settings = replace(base_settings, layer_decay=0.9, token_dropout=0.1)

    def build():
        model = tiny_model(0.1)
        objective = Objective(LOSSES["cross_entropy"], rows.labels, 2, settings, CPU)
        step = kind(as_classifier(model, CPU), rows, objective, settings, CPU, 10)
        step.probe(chosen[0])
        return model, step

    torch.manual_seed(3)
    model, step = build()
    for number in range(3):
        step(chosen[number], 0)
    checkpoints = Checkpoints(tmp_path, "identity")
    checkpoints.write(3, read_state(step), {}, best=None)
    for number in (3, 4):
        step(chosen[number], 0)
    other, again = build()
    restore_state(again, checkpoints.newest())
    again.move_schedule(3)
    again.steps_summed = 3
    for number in (3, 4):
        again(chosen[number], 0)
    assert again.read_loss() == step.read_loss()
    assert again.learning_rate == step.learning_rate
    weights = other.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize(
    ("minutes", "cost", "steps"),
    [
        (10.0, 0.1, [8, 16]),  # at evaluations
        (10.0, 1.0, [8]),  # the second would come after 8 s: an eighth of the time, not a twentieth
        (3.5 / 60, 0.0, [4, 8, 12, 16]),  # by the clock
    ],
)
def test_when_checkpoints_are_written(train, monkeypatch, minutes, cost, steps):
    """A step takes a second of this clock, a checkpoint what it says."""
    clock, written = SimpleNamespace(now=0.0), []
    update, write = TrainStep._update, Checkpoints.write

    def slow_update(self):
        clock.now += 1
        update(self)

    def slow_write(self, step, *arguments):
        clock.now += cost
        written.append(step)
        write(self, step, *arguments)

    monkeypatch.setattr(saving, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(TrainStep, "_update", slow_update)
    monkeypatch.setattr(Checkpoints, "write", slow_write)
    train("slow", minutes=minutes)
    assert written == steps


def test_the_bar_says_where_it_goes_on(train, ended, monkeypatch):
    from wenliu.training import fit as loop

    shown, bar = [], loop.progress_bar

    def progress_bar(total, description, **options):
        shown.append((total, description, options))
        return bar(total, description, **options)

    monkeypatch.setattr(loop, "progress_bar", progress_bar)
    train("ended")
    assert shown == [(128, "training, resumed at step 11", {"initial": 88})]
