from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.training.batches import (
    Rows,
    TokenDropout,
    budget_batches,
    deal,
    epoch_steps,
    pack,
    padding_waste,
    slices,
)

LENGTHS = st.lists(st.integers(2, 60), min_size=1, max_size=200).map(np.array)


@given(LENGTHS, st.integers(1, 16), st.integers(1, 3), st.integers(0, 5), st.booleans())
def test_every_row_once_an_epoch_in_full_batches(
    base_settings, lengths, size, accumulation, epoch, grouped
):
    settings = replace(base_settings, batch_size=size, accumulation=accumulation)
    steps = epoch_steps(lengths, settings, epoch, grouped)
    assert sorted(np.concatenate(steps).tolist()) == list(range(len(lengths)))
    assert len(steps) == -(-len(lengths) // (size * accumulation))
    sizes = sorted(len(rows) for rows in steps)
    # The batch that has the rest stands anywhere among grouped ones, the step that has it too.
    short = 2 if grouped and accumulation > 1 else 1
    assert all(n == size * accumulation for n in sizes[short:])
    assert all((np.diff(lengths[rows]) >= 0).all() for rows in steps)


@given(LENGTHS, st.integers(1, 300), st.booleans())
def test_batches_by_tokens_are_as_full_as_they_can_be(base_settings, lengths, budget, grouped):
    settings = replace(base_settings, batch_by="tokens", batch_tokens=budget)
    steps = epoch_steps(lengths, settings, 0, grouped)
    assert sorted(np.concatenate(steps).tolist()) == list(range(len(lengths)))
    totals = [int(lengths[rows].sum()) for rows in steps]
    for rows, total in zip(steps, totals, strict=True):
        assert total <= budget or len(rows) == 1
    if not grouped:
        for total, following in zip(totals, steps[1:], strict=False):
            assert total + int(lengths[following].max()) > budget


@given(LENGTHS, st.integers(1, 9))
def test_steps_are_dealt_or_cut_into_even_parts(lengths, parts):
    rows = np.argsort(lengths, kind="stable")
    for split in (deal, slices):
        found = split(rows, parts)
        assert len(found) == min(parts, len(rows))
        assert sorted(np.concatenate(found).tolist()) == list(range(len(rows)))
        sizes = [len(part) for part in found]
        assert max(sizes) - min(sizes) <= 1
    sums = [int(lengths[part].sum()) for part in deal(rows, parts)]
    assert max(sums) - min(sums) <= 60


@given(LENGTHS, st.integers(1, 100))
def test_prediction_batches_keep_to_the_budget(lengths, budget):
    batches = budget_batches(lengths, budget)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or lengths[batch].max() * len(batch) <= budget


def test_steps_depend_on_seed_and_epoch_alone(base_settings):
    lengths = np.arange(100) % 17 + 2

    def plan(seed, epoch):
        steps = epoch_steps(lengths, replace(base_settings, seed=seed), epoch, grouped=False)
        return [rows.tolist() for rows in steps]

    assert plan(1, 0) == plan(1, 0)
    assert plan(1, 0) != plan(1, 1)
    assert plan(1, 0) != plan(2, 0)


def test_grouping_by_length_saves_padding_and_random_order_does_not_know_length(base_settings):
    lengths = np.random.default_rng(0).lognormal(4, 0.7, 3_000).astype(int).clip(3, 512)
    settings = replace(base_settings, batch_size=32)
    grouped, drawn = (epoch_steps(lengths, settings, 0, flag) for flag in (True, False))
    assert padding_waste(lengths, grouped) < 0.1 < 0.8 < padding_waste(lengths, drawn)
    within = np.mean([lengths[rows].std() for rows in drawn if len(rows) == 32])
    assert within == pytest.approx(lengths.std(), rel=0.1)


def test_rows_of_several_parts_are_packed_in_the_order_given():
    rows = Rows.from_parts(
        [
            (np.array([2, 7, 3, 2, 8, 9, 3], np.int32), np.array([0, 3, 7])),
            (np.array([9, 9, 2, 5, 3], np.int32), np.array([2, 5])),
        ],
        np.array([1, 0, 4]),
    )
    batch = pack(rows.take(np.array([2, 1, 0])), np.array([0, 2]))
    assert batch.token_ids.tolist() == [2, 5, 3, 2, 7, 3]
    assert batch.positions.tolist() == [0, 1, 2, 0, 1, 2]
    assert batch.offsets.tolist() == [0, 3, 6]
    assert batch.labels.tolist() == [4, 1]
    assert (batch.tokens, batch.longest, batch.width) == (6, 3, 3)


def test_left_out_tokens_leave_gaps_and_depend_on_the_row_alone():
    lengths = np.full(50, 40)
    flat = np.arange(2_000, dtype=np.int32)
    rows = Rows.from_offsets(flat, np.arange(0, 2_001, 40), np.zeros(50, int))
    dropout = TokenDropout(0.25, seed=1, epoch=0)
    batch = pack(rows, np.arange(50), dropout)
    assert 0.7 < batch.tokens / 2_000 < 0.8
    assert batch.tokens == batch.lengths.sum() and batch.width <= 40
    assert (batch.positions.numpy()[batch.offsets[:-1]] == 0).all()
    starts = np.repeat(np.arange(50) * 40, batch.lengths)
    assert (batch.token_ids.numpy() == starts + batch.positions.numpy()).all()
    halves = [pack(rows, np.arange(50)[part], dropout) for part in (slice(25), slice(25, 50))]
    assert np.concatenate([h.token_ids for h in halves]).tolist() == batch.token_ids.tolist()
    for other in (TokenDropout(0.25, 2, 0), TokenDropout(0.25, 1, 1)):
        assert pack(rows, np.arange(50), other).token_ids.tolist() != batch.token_ids.tolist()
    assert lengths.sum() == pack(rows, np.arange(50)).tokens
