from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest


@pytest.fixture(scope="session")
def base_settings():
    """Settings of a short fit; a test says what it needs otherwise: ``replace(...)``."""
    from wenliu.training.settings import FitSettings

    return FitSettings(
        epochs=4, batch_by="rows", batch_size=8, batch_tokens=100, accumulation=1,
        learning_rate=3e-3, layer_decay=1.0, weight_decay=0.01, warmup=0.1, max_gradient_norm=1.0,
        class_weights="none", label_smoothing=0.0, token_dropout=0.0, precision="fp32",
        cuda_graphs="auto", metric="macro_f1", patience=10, evaluations_per_epoch=1, seed=5,
        checkpoint_minutes=10.0,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tiny_model():
    """A model of random weights, the same every time, with this much dropout."""
    from wenliu.modeling.doctor import examine
    from wenliu.modeling.network import build_model

    def make(dropout):
        size = SimpleNamespace(
            hidden_size=16, layers=2, heads=2, intermediate_size=32, max_positions=32,
            dropout=dropout,
        )  # fmt: skip
        params = SimpleNamespace(checkpoint="scratch", revision=None, seed=1, scratch=size)
        profile = examine(None, params)
        return build_model(
            profile, head="sequence", labels=["a", "b"], vocab_size=40, params=params
        )

    return make


@pytest.fixture(scope="session")
def tiny_rows():
    """Rows of random tokens and labels."""
    from wenliu.training.batches import Rows

    def make(n, seed=0):
        generator = np.random.default_rng(seed)
        lengths = generator.integers(3, 15, n)
        flat = generator.integers(5, 40, lengths.sum()).astype(np.int32)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        return Rows.from_offsets(flat, offsets, generator.integers(0, 2, n))

    return make
