"""The static shapes of a GPU give on a CPU what batches of their own shape give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.modeling.packed import as_classifier
from wenliu.training.batches import epoch_steps
from wenliu.training.cuda_step import WARM_UPS, CudaStep, Part, static_shape
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.step import TrainStep


@pytest.fixture(scope="module")
def settings(base_settings):
    return replace(
        base_settings, batch_size=16, layer_decay=0.9, class_weights="balanced",
        label_smoothing=0.1, token_dropout=0.1,
    )  # fmt: skip


@given(st.integers(1, 40_000), st.integers(1, 600), st.integers(2, 512))
def test_shapes_have_room_and_are_few(tokens, sequences, longest):
    filled, room = static_shape(tokens, sequences, longest)
    added, spare = room - sequences, filled - tokens
    assert added <= spare <= added * longest
    assert spare - added < max(64, tokens / 8)
    assert len({static_shape(n, 32, 512) for n in range(2_048, 4_096)}) <= 10


def train(kind, model, rows, settings, device, steps=10):
    torch.nn.Module.to(model, device)
    objective = Objective(LOSSES["cross_entropy"], rows.labels, 2, settings, device)
    step = kind(as_classifier(model, device), rows, objective, settings, device, 20)
    step.probe(np.arange(len(rows))[: settings.batch_size])
    losses = []
    for epoch in range(steps):
        for chosen in epoch_steps(rows.lengths, settings, epoch, grouped=False)[:1]:
            step(chosen, epoch)
        losses.append(step.read_loss())
    return step, losses


def assert_same(first, second, tolerance):
    weights, others = first.state_dict(), second.state_dict()
    for name in weights:
        if not name.endswith("key.bias"):  # AdamW makes steps of its rounding errors
            assert torch.allclose(weights[name], others[name], atol=tolerance), name


@pytest.mark.parametrize("changes", [{}, {"batch_by": "tokens"}, {"accumulation": 3}])
def test_static_steps_equal_plain_ones(settings, tiny_model, tiny_rows, changes):
    settings, rows, cpu = replace(settings, **changes), tiny_rows(60), torch.device("cpu")
    models = tiny_model(0.0), tiny_model(0.0)
    (_, plain), (step, static) = (
        train(kind, model, rows, settings, cpu)
        for kind, model in zip((TrainStep, CudaStep), models, strict=True)
    )
    assert static == pytest.approx(plain, abs=1e-5)
    assert_same(*models, 1e-5)
    assert all(slot.batch.tokens == shape[0] for shape, slot in step.slots.items())


def test_out_of_memory_halves_static_steps_too(settings, tiny_model, tiny_rows, monkeypatch):
    rows, cpu = tiny_rows(60), torch.device("cpu")
    models = tiny_model(0.0), tiny_model(0.0)
    _, plain = train(TrainStep, models[0], rows, settings, cpu)
    backward, calls = CudaStep._backward, []

    def fail(self, batch, weight):
        calls.append(batch)
        loss = backward(self, batch, weight)
        if len(calls) > 4 and (batch.labels >= 0).sum() > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    monkeypatch.setattr(CudaStep, "_backward", fail)
    step, static = train(CudaStep, models[1], rows, settings, cpu)
    assert (step.micro_batches.parts, step.micro_batches.halvings) == (4, 2)
    assert static == pytest.approx(plain, abs=1e-5)
    assert_same(*models, 1e-5)


def fail(*_, **__):
    raise RuntimeError("operation not permitted\nwhen stream is capturing")


def test_a_failed_capture_names_the_parameter(settings, tiny_model, tiny_rows, monkeypatch):
    step, _ = train(CudaStep, tiny_model(0.0), tiny_rows(60), settings, torch.device("cpu"), 1)
    step.pool = step.stream = None
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", fail)
    [slot] = step.slots.values()
    with pytest.raises(UserError, match=r"(?s)not permitted\n.*finetuning.cuda_graphs=off"):
        step._capture(slot, Part.WHOLE)


@pytest.mark.parametrize(("compiled", "kind"), [(True, UserError), (False, RuntimeError)])
def test_failed_compilation_shows_in_the_probe(
    settings, tiny_model, tiny_rows, monkeypatch, compiled, kind
):
    rows, cpu = tiny_rows(60), torch.device("cpu")
    step, _ = train(CudaStep, tiny_model(0.0), rows, settings, cpu, 1)
    step.compiled = compiled
    monkeypatch.setattr(step, "_backward", fail)
    with pytest.raises(kind, match="not permitted"):
        step.probe(np.arange(16))


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_captured_step_equals_an_eager_one(
    settings, tiny_model, tiny_rows, precision, accumulation
):
    settings = replace(settings, precision=precision, accumulation=accumulation)
    rows, gpu = tiny_rows(60), torch.device("cuda")
    models = tiny_model(0.0), tiny_model(0.0)
    (_, plain), (step, captured) = (
        train(kind, model, rows, settings, gpu, steps=4 * WARM_UPS)
        for kind, model in zip((TrainStep, CudaStep), models, strict=True)
    )
    assert step.graphed and any(slot.graphs for slot in step.slots.values())
    tolerance = 1e-4 if precision == "fp32" else 2e-2
    assert captured == pytest.approx(plain, abs=tolerance)
    assert_same(*models, tolerance)


@pytest.mark.gpu
@pytest.mark.parametrize("heads", [2, 32])  # the kernels want 8 wide heads, these have 64 and 4
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_packed_attention_on_a_gpu_equals_the_cpus(dropout, heads):
    from wenliu.modeling.packed_attention import attend
    from wenliu.modeling.packing import Packed

    lengths = np.array([1, 30, 600, 7])
    ids = np.zeros(lengths.sum(), np.int32)
    positions = np.concatenate([np.arange(n) for n in lengths])
    batch = Packed.of(ids, positions, lengths, np.zeros(4, np.int32))
    torch.manual_seed(0)
    inputs = [torch.randn(len(ids), 128) for _ in range(3)]
    expected = attend(*inputs, batch, heads, 0.0, None)
    on_gpu = [x.to("cuda", torch.bfloat16) for x in inputs]
    placed = batch.to(torch.device("cuda"))
    drawn = torch.stack([attend(*on_gpu, placed, heads, dropout, None).float() for _ in range(200)])
    assert torch.allclose(drawn.mean(0).cpu(), expected, atol=0.02 if not dropout else 0.2)
