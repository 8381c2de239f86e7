"""A fit that runs into NaN ends, and nothing of it reaches a checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from wenliu.errors import UserError
from wenliu.tasks import SingleLabelClassification
from wenliu.training.checkpoints import Checkpoints
from wenliu.training.fit import fit
from wenliu.training.step import TrainStep

NAN = float("nan")
#: What is made NaN, in which step, with how many minutes between checkpoints: where it is seen.
CASES = [
    ("loss", 5, 10.0, 5),
    ("gradient", 5, 0.0, 5),  # the checkpoint after the step sees the weights
    ("gradient", 5, 10.0, 6),  # the next loss does
    ("gradient", 16, 10.0, 16),  # there is no next one: the evaluation does
]


@pytest.fixture
def train(tmp_path, tiny_model, tiny_rows, base_settings, monkeypatch):
    """Fits a tiny model of which the loss or the gradient of one update is NaN."""

    def train(what, step, minutes):
        update, backward = TrainStep._update, TrainStep._backward

        def now(self):
            return self.schedule.last_epoch + 1 == step

        def spoilt_backward(self, batch, weight):
            loss = backward(self, batch, weight)
            return loss * NAN if what == "loss" and now(self) else loss

        def spoilt_update(self):
            if what == "gradient" and now(self):
                next(self.classifier.parameters()).grad[0, 0] = NAN
            update(self)

        monkeypatch.setattr(TrainStep, "_backward", spoilt_backward)
        monkeypatch.setattr(TrainStep, "_update", spoilt_update)
        settings = replace(base_settings, epochs=2, checkpoint_minutes=minutes)
        rows, task = (tiny_rows(64), tiny_rows(20, 1)), SingleLabelClassification()
        return fit(tiny_model(0.0), task, *rows, settings, tmp_path, torch.device("cpu"))

    return train


@pytest.mark.parametrize(("what", "step", "minutes", "seen"), CASES)
def test_it_stops_by_the_next_step(train, what, step, minutes, seen):
    """Reliability 7: NaN in step k stops the fit by k + 1, with what to change."""
    with pytest.raises(UserError, match=rf"(?s)at step {seen} of 16.*learning_rate") as caught:
        train(what, step, minutes)
    assert seen <= step + 1 and caught.value.where == "finetuning"


def test_the_last_good_checkpoint_stays_and_a_second_end_there_is_said(train, tmp_path):
    """Reliability 7: the same command must not run into the same wall in silence."""
    for times in (1, 2, 3):
        with pytest.raises(UserError) as caught:
            train("gradient", 5, 0.0)
        newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
        assert newest.name == "step-00000004"
        assert ("resumed at step 4" in str(caught.value)) == (times > 1)
        assert (f"it did so {times} times" in str(caught.value)) == (times > 1)
        assert ("will end here every time" in str(caught.value)) == (times > 1)
    identity = json.loads((newest / "manifest.json").read_text())["identity"]
    found = Checkpoints(tmp_path, identity).newest()
    assert found is not None
    for name in ("weights", "optimizer"):
        assert all(torch.isfinite(tensor).all() for tensor in found.tensors(name).values())
