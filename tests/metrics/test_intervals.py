from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from wenliu.metrics import (
    accuracy_of,
    bootstrap_interval,
    counts_interval,
    macro_f1,
    macro_f1_of,
    mcnemar,
    paired_bootstrap,
    wilson_interval,
)


def sample(rows=1200, labels=8, right=0.8, seed=0):
    random = np.random.default_rng(seed)
    gold = random.integers(0, labels, rows)
    noise = random.integers(0, labels, rows)
    return gold, np.where(random.random(rows) < right, gold, noise)


def test_resampling_counts_is_resampling_rows():
    gold, predicted = sample(300, 4)
    by_counts = counts_interval(macro_f1_of, gold, predicted, 4, n=4000)
    by_rows = bootstrap_interval(lambda g, p: macro_f1(g, p, 4), gold, predicted, n=1500)
    assert by_counts.value == by_rows.value
    assert by_counts.low == pytest.approx(by_rows.low, abs=0.006)
    assert by_counts.high == pytest.approx(by_rows.high, abs=0.006)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        gold, predicted = sample(400, 2, right=0.6, seed=seed)  # true accuracy: 0.8
        interval = counts_interval(accuracy_of, gold, predicted, 2, n=400, seed=seed)
        covered += interval.low <= 0.8 <= interval.high
    assert 180 <= covered <= 198


def test_a_thousand_resamples_of_macro_f1_take_milliseconds():
    gold, predicted = sample(10_000, 10)
    start = time.perf_counter()
    counts_interval(macro_f1_of, gold, predicted, 10, n=1000)
    paired_bootstrap(gold, predicted, sample(10_000, 10, seed=1)[1], 10, n=1000)
    assert time.perf_counter() - start < 2  # measured: 0.1 s; the rest is for a busy machine


def test_many_labels_need_little_memory():
    gold, predicted = sample(3000, 500)
    interval = counts_interval(macro_f1_of, gold, predicted, 500, n=50)
    assert interval.low < interval.high


def test_difference_of_a_classifier_to_itself_is_nothing():
    gold, predicted = sample()
    assert tuple(paired_bootstrap(gold, predicted, predicted, 8)) == (0, 0, 0)
    assert mcnemar(gold, predicted, predicted).p == 1.0


def test_difference_is_that_of_resampled_rows():
    gold, first = sample(300, 3, right=0.8)
    second = sample(300, 3, right=0.7, seed=0)[1]
    fast = paired_bootstrap(gold, first, second, 3, n=4000)
    slow = bootstrap_interval(
        lambda g, a, b: macro_f1(g, a, 3) - macro_f1(g, b, 3), gold, first, second, n=1500
    )
    assert fast.value == pytest.approx(slow.value)
    assert fast.low == pytest.approx(slow.low, abs=0.008)
    assert fast.high == pytest.approx(slow.high, abs=0.008)


def test_a_seed_gives_the_same_interval():
    gold, predicted = sample()
    first, again, other = (
        counts_interval(macro_f1_of, gold, predicted, 8, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_exact_binomial_test(only_first, only_second):
    total = only_first + only_second
    gold = np.zeros(total, dtype=int)
    first = np.repeat([0, 1], [only_first, only_second])
    found = mcnemar(gold, first, 1 - first)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    expected = binomtest(only_first, total, 0.5).pvalue if total else 1.0
    assert found.p == pytest.approx(expected, rel=1e-6)


@given(st.integers(1, 300), st.data())
def test_wilson_is_scipys(rows, data):
    hits = data.draw(st.integers(0, rows))
    expected = binomtest(hits, rows).proportion_ci(0.9, method="wilson")
    found = wilson_interval(hits, rows, 0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_no_rows():
    assert tuple(counts_interval(macro_f1_of, [], [], 2)) == (0, 0, 0)
    assert tuple(paired_bootstrap([], [], [], 2)) == (0, 0, 0)
    assert wilson_interval(0, 0).high == 1.0
