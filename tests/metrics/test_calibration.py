from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax as scipy_log_softmax
from sklearn.metrics import log_loss as reference_log_loss

from wenliu.metrics import calibration as c


def sample(rows=2000, labels=4, temperature=1.0, seed=0):
    """Logits that are ``temperature`` times too large, and labels drawn from the right ones."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (rows, labels))
    cumulated = c.softmax(logits).cumsum(axis=1)
    gold = (random.random((rows, 1)) > cumulated).sum(axis=1).clip(0, labels - 1)
    return logits * temperature, gold


@given(arrays(np.float64, (5, 3), elements=st.floats(-700, 700)))
def test_log_softmax_is_scipys(logits):
    assert np.allclose(c.log_softmax(logits), scipy_log_softmax(logits, axis=1))
    assert np.allclose(c.softmax(logits).sum(axis=1), 1)


def test_softmax_survives_huge_logits():
    assert c.softmax([[1e30, -1e30]]).tolist() == [[1.0, 0.0]]


def test_log_loss_is_scikit_learns():
    logits, gold = sample()
    probabilities = c.softmax(logits)
    assert c.log_loss(probabilities, gold) == pytest.approx(
        reference_log_loss(gold, probabilities, labels=range(4))
    )


@pytest.mark.parametrize("true", [0.3, 1.0, 2.5, 8.0])
def test_temperature_is_found(true):
    logits, gold = sample(rows=20_000, temperature=true)
    assert c.fit_temperature(logits, gold) == pytest.approx(true, rel=0.05)


def test_temperature_is_scipys_optimum():
    logits, gold = sample(temperature=3.0)
    found = minimize_scalar(
        lambda t: c.log_loss(c.softmax(logits, t), gold), bounds=(0.05, 20), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    assert c.fit_temperature(logits, gold) == pytest.approx(found.x, rel=1e-4)


@given(
    arrays(np.float32, (8, 3), elements=st.floats(-50, 50, width=32)),
    st.lists(st.integers(0, 2), min_size=8, max_size=8),
)
def test_temperature_never_worsens_the_likelihood_nor_changes_a_prediction(logits, gold):
    """Reliability 29: whatever the logits and labels of the validation rows are."""
    t = c.fit_temperature(logits, gold)
    ids = np.arange(8)
    before, after = (-c.log_softmax(logits / np.float64(x))[ids, gold].mean() for x in (1.0, t))
    assert after <= before
    assert c.LOWEST_TEMPERATURE <= t <= c.HIGHEST_TEMPERATURE
    scaled = c.softmax(logits, t)
    # Rows may tie after rounding; the old choice stays among the best.
    assert (scaled[ids, logits.argmax(axis=1)] == scaled.max(axis=1)).all()


@pytest.mark.parametrize(
    ("logits", "gold"), [(np.zeros((0, 2)), []), ([[np.nan, 1.0]], [0]), ([[3.0]], [0])]
)
def test_nothing_to_fit_gives_one(logits, gold):
    assert c.fit_temperature(logits, gold) == 1.0


def test_calibration_error_of_a_calibrated_and_of_an_overconfident_model():
    right, gold = sample(rows=20_000)
    assert c.calibration_error(c.softmax(right), gold) < 0.015
    assert c.calibration_error(c.softmax(right * 4), gold) > 0.1
    summary = c.calibration_summary(right * 4, gold, c.fit_temperature(right * 4, gold))
    assert summary["ece_after"] < 0.015 < 0.1 < summary["ece_before"]
    assert summary["log_loss_after"] < summary["log_loss_before"]


def test_a_calibrated_model_of_many_rows_is_within_the_limit():
    """Reliability 29: at 1,000 rows chance alone stays below 0.05; a real error does not."""
    logits, gold = sample(rows=1000, temperature=3.0)
    assert c.calibration_error(c.softmax(logits), gold) > 0.05
    scaled = c.softmax(logits, c.fit_temperature(*sample(rows=1000, temperature=3.0, seed=1)))
    assert c.calibration_error(scaled, gold) <= 0.05


def confidences(rows, seed):
    """Two labels, of confidences between a half and one."""
    sure = np.random.default_rng(seed).uniform(0.5, 1, rows)
    return np.stack([sure, 1 - sure], axis=1)


def test_on_few_rows_the_limit_says_nothing():
    """Reliability 29: at 240 rows a perfectly calibrated model exceeds 0.05 in most draws."""
    probabilities, random = confidences(240, 0), np.random.default_rng(1)
    errors = []
    for _ in range(1000):
        gold = (random.random(240) > probabilities[:, 0]).astype(int)
        errors.append(c.calibration_error(probabilities, gold))
    above = np.mean(np.array(errors) > 0.05)
    assert above > 0.8
    # Which is what the bounds beside the error are for: they hold 95 % of the draws.
    low, high = c.chance_error(probabilities)
    assert 0.93 < np.mean([low <= error <= high for error in errors]) < 0.97
    assert low < 0.05 < high


def test_tied_confidences_are_left_to_chance_as_the_error_counts_them():
    """A model that knows three confidences only: its error has three swings, not fifteen."""
    probabilities, random = np.full((1500, 2), 0.5), np.random.default_rng(2)
    probabilities[:, 0] = np.repeat([0.6, 0.8, 0.95], 500)
    probabilities[:, 1] = 1 - probabilities[:, 0]
    errors = []
    for _ in range(500):
        gold = (random.random(1500) > probabilities[:, 0]).astype(int)
        errors.append(c.calibration_error(probabilities, gold))
    low, high = c.chance_error(probabilities)
    assert 0.92 < np.mean([low <= error <= high for error in errors]) < 0.98


def test_more_rows_leave_less_to_chance():
    (_, few), (_, many) = (c.chance_error(confidences(rows, 0)) for rows in (240, 24_000))
    assert many < few / 5
    assert c.chance_error(np.zeros((0, 2))) == (0.0, 0.0)
    logits, gold = sample(rows=300)
    summary = c.calibration_summary(logits, gold, 1.0)
    assert 0 < summary["ece_chance_low"] < summary["ece_chance_high"] < 0.2


def test_calibration_error_by_hand():
    probabilities = [[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.5, 0.5]]
    # Two bins: (0.5, 0.6) with accuracy 0.5, (0.8, 0.9) with accuracy 1.
    assert c.calibration_error(probabilities, [0, 0, 1, 0], bins=2) == pytest.approx(0.1)


def test_bins_hold_equal_rows_and_ties_do_not_depend_on_order():
    random = np.random.default_rng(1)
    probabilities = c.softmax(random.normal(size=(1000, 3)).round(1))
    gold = random.integers(0, 3, 1000)
    curve = c.reliability_curve(probabilities, gold)
    assert len(curve.rows) == 15
    assert set(curve.rows.tolist()) == {66, 67}
    order = random.permutation(1000)
    again = c.reliability_curve(probabilities[order], gold[order])
    assert np.allclose(again.accuracy, curve.accuracy)


def test_fewer_rows_than_bins():
    assert c.reliability_curve([[0.9, 0.1]], [0]).rows.tolist() == [1]
    assert c.calibration_error(np.zeros((0, 2)), []) == 0.0
