"""Reliability item 8: out of memory halves the micro-batch and changes nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import wenliu.training.step as step_module
from wenliu.errors import UserError
from wenliu.modeling.network import load_model
from wenliu.modeling.packed import as_classifier
from wenliu.tasks import SingleLabelClassification
from wenliu.training.fit import fit
from wenliu.training.memory import MOST_HALVINGS, MicroBatches, is_out_of_memory
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.step import TrainStep

CPU = torch.device("cpu")
ERRORS = {
    "gpu": torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "cpu": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
}


@pytest.fixture
def lack_of_memory(monkeypatch):
    """Lets backward passes of more than so many rows fail; gives the sizes of those that ran."""

    def lack(rows, error=ERRORS["gpu"], from_call=0):
        sizes, calls, backward = [], [], TrainStep._backward

        def fail(self, batch, weight):
            calls.append(len(batch.lengths))
            loss = backward(self, batch, weight)  # so that there is half a gradient to forget
            if len(calls) > from_call and len(batch.lengths) > rows:
                raise error
            sizes.append(len(batch.lengths))
            return loss

        monkeypatch.setattr(step_module.TrainStep, "_backward", fail)
        return sizes

    return lack


@pytest.fixture
def settings(base_settings):
    return replace(
        base_settings, epochs=2, batch_size=32, class_weights="balanced", token_dropout=0.1
    )


@pytest.fixture
def run(tmp_path, tiny_model, tiny_rows, settings):
    """Fits a tiny model in a workspace of this name."""

    def run(name):
        rows, task = (tiny_rows(64), tiny_rows(16, 1)), SingleLabelClassification()
        return fit(tiny_model(0.0), task, *rows, settings, tmp_path / name, CPU)

    return run


def same_weights(first, second):
    weights, others = (load_model(result.best).state_dict() for result in (first, second))
    # A key's bias moves all scores of a query alike: AdamW makes steps of its rounding errors.
    names = [name for name in weights if not name.endswith("key.bias")]
    return all(torch.allclose(weights[name], others[name], atol=1e-5) for name in names)


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("from_call", [0, 3])
def test_three_times_out_of_memory(run, lack_of_memory, caplog, kind, from_call):
    """Reliability 8: in the probe, or in the middle of training.

    The batch halves three times, accumulation doubles, the rows of a step and what they teach the
    model stay.
    """
    whole = run("whole")
    assert (whole.micro_batches, whole.out_of_memory) == (1, 0)
    sizes = lack_of_memory(4, ERRORS[kind], from_call)
    pieces = run("pieces")
    assert (pieces.micro_batches, pieces.out_of_memory) == (8, 3)
    assert sizes[-8:] == [4] * 8
    assert (pieces.steps, pieces.epochs) == (whole.steps, whole.epochs)
    assert same_weights(whole, pieces)
    assert caplog.text.count("Out of memory") == 3


def test_a_model_that_never_fits_ends_with_a_remedy(run, lack_of_memory):
    """Reliability 8: after five tries there is an error instead of a sixth."""
    lack_of_memory(0)
    with pytest.raises(UserError, match=r"(?s)Out of memory with 32 rows.*max_length"):
        run("never")
    micro_batches = MicroBatches(2)
    for _ in range(MOST_HALVINGS):
        micro_batches.halve(1_000)
    assert micro_batches.parts == 64
    with pytest.raises(UserError, match="64 micro-batches"):
        micro_batches.halve(1_000)


def test_a_model_whose_moments_do_not_fit_names_a_smaller_one(run, monkeypatch):
    def fail(self):
        raise ERRORS["gpu"]

    monkeypatch.setattr(step_module.TrainStep, "_allocate_optimizer", fail)
    with pytest.raises(UserError, match=r"(?s)moments do not fit.*model.checkpoint"):
        run("large")


def test_other_errors_are_no_lack_of_memory(run, lack_of_memory):
    lack_of_memory(0, RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):
        run("wrong")
    assert not is_out_of_memory(MemoryError("something else"))


def test_the_probe_leaves_nothing_behind(settings, tiny_model, tiny_rows):
    rows, steps = tiny_rows(16), []
    for probed in (False, True):
        model = tiny_model(0.1)
        objective = Objective(LOSSES["cross_entropy"], rows.labels, 2, settings, CPU)
        step = TrainStep(as_classifier(model, CPU), rows, objective, settings, CPU, 10)
        torch.manual_seed(4)
        if probed:
            step.probe(np.arange(16))
            assert all(p.grad is None for p in model.parameters())
            assert step.read_loss() == 0.0
        step(np.arange(16), epoch=0)
        step(np.arange(16), epoch=1)
        steps.append((step.read_loss(), step.learning_rate, model.state_dict()))
    (loss, rate, weights), (other_loss, other_rate, others) = steps
    assert (loss, rate) == (other_loss, other_rate)
    assert all(torch.equal(weights[name], others[name]) for name in weights)
