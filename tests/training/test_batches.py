from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from wenliu.training.batches import (
    Rows,
    budget_batches,
    collate,
    hide_tokens,
    padding_waste,
    training_batches,
)

LENGTHS = st.lists(st.integers(2, 60), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(1, 16), st.integers(0, 5))
def test_every_row_once_an_epoch_in_full_batches(lengths, batch_size, epoch):
    batches = training_batches(lengths, batch_size, seed=1, epoch=epoch)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    sizes = sorted(len(batch) for batch in batches)
    assert all(size == batch_size for size in sizes[1:])


@given(LENGTHS, st.integers(1, 100))
def test_prediction_batches_keep_to_the_budget(lengths, budget):
    batches = budget_batches(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget


def test_batches_depend_on_seed_and_epoch_alone():
    lengths = np.arange(100) % 17 + 2

    def plan(seed, epoch):
        return [batch.tolist() for batch in training_batches(lengths, 8, seed, epoch)]

    assert plan(1, 0) == plan(1, 0)
    assert plan(1, 0) != plan(1, 1)
    assert plan(1, 0) != plan(2, 0)


def test_grouping_by_length_saves_padding():
    lengths = np.random.default_rng(0).lognormal(4, 0.7, 3_000).astype(int).clip(3, 512)
    grouped = padding_waste(lengths, training_batches(lengths, 32, 1, 0))
    shuffled = np.random.default_rng(1).permutation(3_000).reshape(-1, 30)
    assert grouped < 0.1 < 0.8 < padding_waste(lengths, list(shuffled))


def test_collate_and_take():
    rows = Rows.from_offsets(
        np.array([2, 7, 3, 2, 8, 9, 3], np.int32), np.array([0, 3, 7]), np.array([1, 0])
    )
    batch = collate(rows.take(np.array([1, 0])), np.array([0, 1]), pad_id=0)
    assert batch["input_ids"].tolist() == [[2, 8, 9, 3], [2, 7, 3, 0]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


def test_hidden_tokens_never_include_the_first():
    torch.manual_seed(0)
    mask = torch.ones(50, 40, dtype=torch.int64)
    hide_tokens(mask, 0.25)
    assert mask[:, 0].all()
    assert 0.7 < mask.float().mean() < 0.8
