"""Distances of two samples, and how often they cry wolf."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.metrics import drift

SIGNIFICANCE = 0.005


def halves(n_new, n_old):
    return np.repeat([False, True], [n_old, n_new])


def false_alarms(statistics, n_new, n_old, splits=200):
    """Of random splits of one population, how many have any p-value at most ``SIGNIFICANCE``."""
    new = halves(n_new, n_old)
    alarms = 0
    for split in range(splits):
        random = np.random.default_rng(split)
        shifts = (
            drift.permutation_test(statistic, new, 199, split)
            for statistic in statistics(random, n_new + n_old)
        )
        alarms += any(shift.p <= SIGNIFICANCE for shift in shifts)
    return alarms / splits


@pytest.mark.parametrize(("n_new", "n_old"), [(30, 400), (200, 1000)])
def test_samples_of_one_population_raise_an_alarm_in_at_most_one_of_twenty_nights(n_new, n_old):
    """Without any limit on the effect: four measures, each at most in one of 200 nights."""

    def statistics(random, n):
        tokens = random.integers(5, 60, n)
        return (
            drift.total_variation(random.choice(4, n, p=[0.6, 0.3, 0.08, 0.02])),
            drift.largest_gap(random.poisson(25, n)),
            drift.mean_difference(random.beta(8, 2, n)),
            drift.rate_increase(random.binomial(tokens, 0.01), tokens),
        )  # fmt: skip

    assert false_alarms(statistics, n_new, n_old) <= 0.05


def test_texts_and_not_their_characters_are_permuted():
    """Each text repeats its own few items: were they independent, every split would differ."""
    n = 120

    def statistics(random, rows):
        own = random.integers(0, 60, (rows, 1)) + np.array([[0, 60, 120]])
        items = np.repeat(own, 10, axis=1).ravel()
        return [drift.jensen_shannon(items, np.repeat(np.arange(rows), 30))]

    assert false_alarms(statistics, 40, n - 40, splits=100) <= 0.05


def test_a_small_sample_lies_far_away_by_chance_and_is_told_so():
    random = np.random.default_rng(0)
    ids = random.integers(0, 20, 540)
    shift = drift.permutation_test(drift.total_variation(ids), halves(40, 500), 199, 0)
    assert shift.value > 0.15
    assert abs(shift.value - shift.expected) < 0.1 and shift.p > SIGNIFICANCE


def test_a_real_change_is_found_and_its_size_is_right():
    ids = np.repeat([0, 1, 0, 1], [500, 500, 140, 60])
    shift = drift.permutation_test(drift.total_variation(ids), halves(200, 1000), 499, 0)
    assert shift.value == pytest.approx(0.2)
    assert shift.p == 1 / 500


def test_only_a_rise_of_a_rate_counts():
    tokens = np.full(400, 20)
    hits = np.repeat([0, 2], 200)
    new = halves(200, 200)
    rise = drift.permutation_test(drift.rate_increase(hits, tokens), new, 199, 0)
    fall = drift.permutation_test(drift.rate_increase(hits[::-1], tokens), new, 199, 0)
    assert rise.value == pytest.approx(0.1) and rise.p == 1 / 200
    assert fall.value == pytest.approx(-0.1) and fall.p == 1.0


def test_the_largest_gap_is_that_of_scipy():
    from scipy.stats import ks_2samp

    random = np.random.default_rng(3)
    old, new = random.poisson(20, 300), random.poisson(23, 90)
    gap = drift.largest_gap(np.concatenate([old, new]))(halves(90, 300))
    assert gap == pytest.approx(ks_2samp(old, new).statistic)


@given(st.lists(st.integers(0, 50), min_size=2, max_size=30), st.integers(0, 2**32))
@settings(deadline=None)
def test_the_divergence_is_symmetric_and_between_0_and_1(counts, seed):
    one = np.array(counts, float) + 0.5
    other = np.random.default_rng(seed).permutation(one)
    one, other = one / one.sum(), other / other.sum()
    value = drift.divergence(one, other)
    assert value == pytest.approx(drift.divergence(other, one))
    assert -1e-12 <= value <= 1
    assert drift.divergence(one, one) == pytest.approx(0)
    assert drift.divergence(np.array([1.0, 0]), np.array([0, 1.0])) == pytest.approx(1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=60))
def test_the_area_is_that_of_scikit_learn_ties_included(pairs):
    from sklearn.metrics import roc_auc_score

    scores = np.array([score for score, _ in pairs], float)
    positive = np.array([flag for _, flag in pairs])
    if positive.all() or not positive.any():
        return
    assert drift.roc_area(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def domain_problem(difference, seed, n=60):
    random = np.random.default_rng(seed)
    features = random.normal(size=(2 * n, 20)) / 5
    new = halves(n, n)
    features[new, 0] += difference
    return features @ features.T, new, random.permutation(np.arange(2 * n) % 5)


def test_every_permutation_of_the_domain_classifier_is_a_fit_of_its_own():
    """The product of matrices gives what fitting a ridge regression anew gives."""
    from sklearn.linear_model import Ridge

    kernel, new, fold_of = domain_problem(0.5, 0)
    shift, scores = drift.domain_classifier(kernel, new, fold_of, 19, 0)
    root = np.linalg.cholesky(kernel + 1e-10 * np.eye(len(kernel)))
    for fold in range(5):
        held = fold_of == fold
        model = Ridge(alpha=1.0, fit_intercept=False).fit(root[~held], new[~held] - new.mean())
        assert scores[held] == pytest.approx(model.predict(root[held]), abs=1e-5)
    assert shift.value == drift.roc_area(scores, new)


def test_the_domain_classifier_finds_a_difference_and_seldom_invents_one():
    assert drift.domain_classifier(*domain_problem(1.0, 0), 199, 0)[0].value > 0.9
    invented = sum(
        drift.domain_classifier(*domain_problem(0.0, seed, n=30), 199, seed)[0].p <= 0.05
        for seed in range(100)
    )
    assert invented <= 11  # 5 expected; more than 11 in one of 200 suites
