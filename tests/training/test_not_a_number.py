"""A fit that runs into NaN ends, and nothing of it reaches a checkpoint."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch

from wenliu.errors import UserError
from wenliu.modeling.packed import as_classifier
from wenliu.tasks import SingleLabelClassification
from wenliu.training import fit as loop
from wenliu.training import step as steps
from wenliu.training.batches import epoch_steps
from wenliu.training.checkpoints import Checkpoints
from wenliu.training.cuda_step import CudaStep
from wenliu.training.fit import fit
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.state import is_finite, read_state
from wenliu.training.step import TrainStep

NAN = float("nan")
CPU = torch.device("cpu")
#: What is made NaN, in which step, with how many minutes between checkpoints: where it is seen.
CASES = [
    ("loss", 5, 10.0, 5),
    ("gradient", 5, 10.0, 5),
    ("weight", 5, 0.0, 5),  # the checkpoint after the step sees it
    ("weight", 5, 10.0, 6),  # the next loss does
    ("weight", 16, 10.0, 16),  # there is no next one: the evaluation does
]


@pytest.fixture
def train(tmp_path, tiny_model, tiny_rows, base_settings, monkeypatch):
    """Fits a tiny model; the loss or gradient of one update is NaN, or a weight after it."""

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
            spoils = what == "weight" and now(self)
            update(self)
            if spoils:
                list(self.classifier.parameters())[-1].data[0] = NAN

        monkeypatch.setattr(TrainStep, "_backward", spoilt_backward)
        monkeypatch.setattr(TrainStep, "_update", spoilt_update)
        settings = replace(base_settings, epochs=2, checkpoint_minutes=minutes)
        rows, task = (tiny_rows(64), tiny_rows(20, 1)), SingleLabelClassification()
        return fit(tiny_model(0.0), task, *rows, settings, tmp_path, CPU)

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


def whole_state(step):
    """Weights, moments and step counts, as they are now."""
    shared = read_state(step)
    return {
        f"{kind}/{name}": tensor.clone()
        for kind in ("weights", "optimizer")
        for name, tensor in shared[kind].items()
    }


def equal(states, others):
    return states.keys() == others.keys() and all(
        torch.equal(states[name], tensor) for name, tensor in others.items()
    )


@pytest.fixture
def take_steps(tiny_model, tiny_rows, base_settings):
    """Takes six steps, the gradient spoilt in one: the states after each, and the last one."""

    def take_steps(kind, device, spoilt=None, value=NAN):
        rows, settings = tiny_rows(60), replace(base_settings, token_dropout=0.1)
        model = torch.nn.Module.to(tiny_model(0.1), device)
        objective = Objective(LOSSES["cross_entropy"], rows.labels, 2, settings, device)
        step = kind(as_classifier(model, device), rows, objective, settings, device, 20)
        torch.manual_seed(0)
        chosen = epoch_steps(rows.lengths, settings, 0, grouped=False)[0]
        step.probe(chosen)
        objective_loss, states = objective.loss, []

        def loss(logits, labels):
            # A gradient that is none of a loss that is one: 0 x value.
            spoils = 0 * value if len(states) + 1 == spoilt else 0.0
            hook = logits.register_hook(lambda gradient: gradient + spoils)
            found = objective_loss(logits, labels)
            assert hook and found.isfinite()
            return found

        if spoilt is not None:
            objective.loss = loss
        for _ in range(6):
            step(chosen, 0)
            states.append(whole_state(step))
        return states, step

    return take_steps


@pytest.mark.parametrize("kind", [TrainStep, CudaStep])
@pytest.mark.parametrize("value", [NAN, float("inf")])
def test_no_step_is_taken_from_a_gradient_that_is_no_number(take_steps, kind, value):
    """Reliability 7: between two looks at the loss weights and moments stay those of step k - 1."""
    plain, _ = take_steps(kind, CPU)
    held, step = take_steps(kind, CPU, spoilt=4, value=value)
    assert equal(held[2], plain[2]) and not equal(plain[3], plain[2])
    assert all(equal(state, held[2]) for state in held[3:])
    assert not is_finite(step)  # a signal now must not make it a checkpoint of step 6
    assert math.isnan(step.read_loss())


@pytest.mark.gpu
def test_a_captured_step_is_held_too(take_steps):
    """Reliability 7: what was captured reads the flag at every replay."""
    gpu = torch.device("cuda")
    plain, step = take_steps(CudaStep, gpu)
    assert any(slot.graphs for slot in step.slots.values())
    step.loss_sum.fill_(NAN)
    rows = epoch_steps(step.training.lengths, step.settings, 0, grouped=False)[0]
    step(rows, 0)
    assert equal(whole_state(step), plain[-1])
    step.loss_sum.zero_()
    step(rows, 0)
    assert not equal(whole_state(step), plain[-1])


@pytest.mark.parametrize("kind", [TrainStep, CudaStep])
def test_holding_costs_no_bit_while_all_is_finite(take_steps, kind, monkeypatch):
    held, _ = take_steps(kind, CPU)
    monkeypatch.setattr(steps, "skip_updates_while", lambda flag, optimizer: None)
    free, step = take_steps(kind, CPU)
    assert not hasattr(step.optimizer, "found_inf")
    assert all(equal(state, other) for state, other in zip(held, free, strict=True))


def test_what_a_rare_look_finds_late_has_changed_nothing(
    tmp_path, tiny_model, tiny_rows, base_settings, monkeypatch
):
    """Reliability 7: a GPU's loss is read every 20 steps; NaN in step 25 is seen in step 32."""
    call, backward, run = TrainStep.__call__, TrainStep._backward, loop._Fit.run
    states, spoilt = [], None

    def rarely(self):
        self.read_every = self.record_every = 20
        return run(self)

    def noted(self, rows, epoch):
        call(self, rows, epoch)
        states.append(whole_state(self))

    def spoilt_backward(self, batch, weight):
        return backward(self, batch, weight) * (NAN if len(states) + 1 == spoilt else 1)

    monkeypatch.setattr(loop._Fit, "run", rarely)
    monkeypatch.setattr(TrainStep, "__call__", noted)
    monkeypatch.setattr(TrainStep, "_backward", spoilt_backward)
    settings = replace(base_settings, epochs=1, checkpoint_minutes=0.0)
    arguments = SingleLabelClassification(), tiny_rows(256), tiny_rows(20, 1), settings
    fit(tiny_model(0.1), *arguments, tmp_path / "whole", CPU)
    whole, states, spoilt = states, [], 25
    model = tiny_model(0.1)
    with pytest.raises(UserError, match="loss became nan at step 32 of 32"):
        fit(model, *arguments, tmp_path / "spoilt", CPU)
    assert equal(states[23], whole[23]) and not equal(whole[24], whole[23])
    assert all(equal(state, whole[23]) for state in states[24:])
    weights = model.state_dict()
    assert all(torch.equal(weights[n], whole[23][f"weights/model.{n}"]) for n in weights)
    [newest] = (tmp_path / "spoilt" / "checkpoints").iterdir()
    identity = json.loads((newest / "manifest.json").read_text())["identity"]
    found = Checkpoints(tmp_path / "spoilt", identity).newest()
    assert newest.name == "step-00000020" and found is not None
    for kind in ("weights", "optimizer"):
        tensors = {f"{kind}/{name}": tensor for name, tensor in found.tensors(kind).items()}
        assert all(torch.equal(whole[19][name], tensor) for name, tensor in tensors.items())
