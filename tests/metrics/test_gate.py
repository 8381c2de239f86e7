from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from wenliu.metrics import Interval, gate


def night(random, rows, difference, churn=0.05, right=0.92, labels=2):
    """Gold, challenger and champion of one night whose true difference of accuracy is known."""
    fixed, broken = (churn + difference) / 2, (churn - difference) / 2
    gold = random.integers(0, labels, rows)
    other = (gold + random.integers(1, labels, rows)) % labels
    kind = random.choice(4, rows, p=[fixed, broken, right - broken, 1 - right - fixed])
    return gold, np.where(kind % 2 == 0, gold, other), np.where(np.isin(kind, [1, 2]), gold, other)


def promoted(nights, rows, difference, seed=0):
    random = np.random.default_rng(seed)
    return sum(
        gate.non_inferior(
            gate.compare(*night(random, rows, difference), 2, resamples=400, seed=i), rows
        )
        for i in range(nights)
    )


def test_a_model_two_points_worse_is_promoted_at_most_once_in_a_thousand_nights():
    """Reliability 14: truly 2 points worse at n = 5,000: at most once in 1,000 simulations."""
    assert promoted(1000, 5000, -0.02) <= 1


def test_an_equally_good_model_passes_as_often_as_the_record_says():
    random = np.random.default_rng(1)
    rows, passes, said = 1000, 0, []
    for i in range(400):
        difference = gate.compare(*night(random, rows, 0.0), 2, resamples=400, seed=i)
        passes += gate.non_inferior(difference, rows)
        said.append(gate.pass_rate(difference, rows, rows))
    assert passes / 400 == pytest.approx(np.mean(said), abs=0.06)
    assert gate.pass_rate(difference, rows, 20_000) > gate.pass_rate(difference, rows, 1000)


@given(st.integers(1, 10**6), st.integers(1, 10**6))
def test_the_margin_falls_from_one_point_to_half_a_point(a, b):
    few, many = sorted((a, b))
    assert 0.005 <= gate.margin(many) <= gate.margin(few) <= 0.01


def test_the_margin_at_its_corners():
    assert gate.margin(0) == gate.margin(1250) == 0.01
    assert gate.margin(5000) == gate.margin(10**6) == 0.005
    assert gate.margin(2000) == pytest.approx(0.0079, abs=1e-4)


@given(st.integers(1, 300), st.integers(2, 5), st.integers(0, 10**6))
def test_a_model_against_itself_is_exactly_nothing(rows, labels, seed):
    """Reliability 14: identical predictions: Δ = 0 exactly, and that passes in any number."""
    random = np.random.default_rng(seed)
    gold, predicted = random.integers(0, labels, (2, rows))
    difference = gate.compare(gold, predicted, predicted, labels, resamples=200)
    assert difference == (0.0, 0.0, 0.0)
    assert gate.non_inferior(difference, rows) and not gate.superior(difference)
    assert gate.pass_rate(difference, rows, 2000) == 1.0


def test_the_bound_is_one_sided():
    """A challenger truly worse by the margin passes in about one night of twenty, not forty."""
    passes = promoted(1200, 2000, -gate.margin(2000), seed=2)
    assert 42 <= passes <= 85  # expected: 60 with a deviation of 7.5; a two-sided bound: 30


def test_an_answer_with_a_label_that_no_row_has_is_an_error_and_no_class():
    gold = np.array([0, 1] * 50)
    once = gold.copy()
    once[0] = 2
    # Of 50 rows of label 0 one is missed: its F1 is 98/99, that of label 1 stays 1.
    lost = (98 / 99 - 1) / 2
    assert gate.compare(gold, once, gold, 3, resamples=200).value == pytest.approx(lost)
    assert gate.compare(gold, gold, once, 3, resamples=200).value == pytest.approx(-lost)


def test_a_better_model_passes_although_it_once_answers_with_such_a_label():
    """2,000 rows of 3 labels: by the usual macro-F1 that one row costs 23 points, or gives them."""
    gold, better, worse = night(np.random.default_rng(4), 2000, 0.04, labels=3)
    for model, other, passes in ((better, worse, True), (worse, better, False)):
        told = other.copy()
        for changed in (model, told):
            changed[np.flatnonzero(changed != gold)[0]] = 3
        for found in (
            gate.compare(gold, model, other, 4, resamples=400),
            gate.compare(gold, model, told, 4, resamples=400),
        ):
            assert gate.non_inferior(found, 2000) is passes and abs(found.value) < 0.06


def test_above_chance_sees_through_a_constant_and_a_guess():
    random = np.random.default_rng(0)
    gold = (random.random(2000) < 0.05).astype(int)  # one row in twenty
    constant = np.zeros_like(gold)
    assert gate.above_chance(gold, constant, 2) == Interval(0.0, 0.0, 0.0)
    passes = sum(
        gate.above_chance(gold, random.integers(0, 2, 2000), 2, resamples=300, seed=i).low > 0
        for i in range(200)
    )
    assert passes <= 22  # 5 % of 200, and four standard deviations
    useful = np.where(random.random(2000) < 0.5, gold, 0)
    assert gate.above_chance(gold, useful, 2).low > 0.15


@given(st.integers(0, 200), st.integers(0, 200))
def test_worse_is_the_exact_one_sided_sign_test(fixed, broken):
    total = fixed + broken
    expected = binomtest(broken, total, 0.5, "greater").pvalue if total else 1.0
    assert gate.worse_p(gate.Flips(fixed, broken)) == pytest.approx(expected, rel=1e-6)


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_is_between_nothing_and_bonferroni(p_values):
    adjusted = gate.holm(p_values)
    for given_p, raised in zip(p_values, adjusted, strict=True):
        assert given_p <= raised <= min(1.0, given_p * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert np.all(np.diff(np.asarray(adjusted)[order]) >= 0)


def test_holm_by_hand():
    assert gate.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert gate.holm([]) == []


def test_flips_count_each_side():
    found = gate.flips([0, 0, 0, 1], challenger=[0, 1, 0, 0], champion=[1, 0, 0, 0])
    assert found == (1, 1)
