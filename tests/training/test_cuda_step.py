"""The static shapes of a GPU give on a CPU what batches of their own shape give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wenliu.modeling.packed import as_classifier
from wenliu.training.batches import epoch_steps
from wenliu.training.cuda_step import WARM_UPS, CudaStep, static_shape
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.settings import FitSettings
from wenliu.training.step import TrainStep

SETTINGS = FitSettings(
    epochs=2, batch_by="rows", batch_size=16, batch_tokens=100, accumulation=1, learning_rate=3e-3,
    layer_decay=0.9, weight_decay=0.01, warmup=0.1, max_gradient_norm=1.0, class_weights="balanced",
    label_smoothing=0.1, token_dropout=0.1, precision="fp32", metric="macro_f1", patience=10,
    evaluations_per_epoch=1, seed=5,
)  # fmt: skip


@given(st.integers(1, 40_000), st.integers(1, 600), st.integers(1, 512))
def test_shapes_have_room_and_are_few(tokens, sequences, longest):
    filled, room = static_shape(tokens, sequences, longest)
    assert filled >= tokens and (filled - tokens < 64 or (filled - tokens) / tokens < 0.125)
    assert room >= sequences + -(-(filled - tokens) // longest)
    assert len({static_shape(n, 32, 512) for n in range(2_048, 4_096)}) <= 9


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
def test_static_steps_equal_plain_ones(tiny_model, tiny_rows, changes):
    settings, rows, cpu = replace(SETTINGS, **changes), tiny_rows(60), torch.device("cpu")
    models = tiny_model(0.0), tiny_model(0.0)
    (_, plain), (step, static) = (
        train(kind, model, rows, settings, cpu)
        for kind, model in zip((TrainStep, CudaStep), models, strict=True)
    )
    assert static == pytest.approx(plain, abs=1e-5)
    assert_same(*models, 1e-5)
    assert all(slot.batch.tokens == shape[0] for shape, slot in step.slots.items())


def test_out_of_memory_halves_static_steps_too(tiny_model, tiny_rows, monkeypatch):
    rows, cpu = tiny_rows(60), torch.device("cpu")
    models = tiny_model(0.0), tiny_model(0.0)
    _, plain = train(TrainStep, models[0], rows, SETTINGS, cpu)
    backward, calls = CudaStep._backward, []

    def fail(self, batch, weight):
        calls.append(batch)
        loss = backward(self, batch, weight)
        if len(calls) > 4 and (batch.labels >= 0).sum() > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return loss

    monkeypatch.setattr(CudaStep, "_backward", fail)
    step, static = train(CudaStep, models[1], rows, SETTINGS, cpu)
    assert (step.micro_batches.parts, step.micro_batches.halvings) == (4, 2)
    assert static == pytest.approx(plain, abs=1e-5)
    assert_same(*models, 1e-5)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("accumulation", [1, 3])
def test_a_captured_step_equals_an_eager_one(tiny_model, tiny_rows, precision, accumulation):
    settings = replace(SETTINGS, precision=precision, accumulation=accumulation)
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
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_packed_attention_on_a_gpu_equals_the_cpus(dropout):
    from wenliu.modeling.packed_attention import attend
    from wenliu.modeling.packing import Packed

    lengths = np.array([1, 30, 600, 7])
    ids = np.zeros(lengths.sum(), np.int32)
    positions = np.concatenate([np.arange(n) for n in lengths])
    batch = Packed.of(ids, positions, lengths, np.zeros(4, np.int32))
    torch.manual_seed(0)
    inputs = [torch.randn(len(ids), 128) for _ in range(3)]
    expected = attend(*inputs, batch, 2, 0.0, None)
    on_gpu = [x.to("cuda", torch.bfloat16) for x in inputs]
    placed = batch.to(torch.device("cuda"))
    drawn = torch.stack([attend(*on_gpu, placed, 2, dropout, None).float() for _ in range(200)])
    assert torch.allclose(drawn.mean(0).cpu(), expected, atol=0.02 if not dropout else 0.2)
