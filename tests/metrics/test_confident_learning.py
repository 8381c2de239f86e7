from __future__ import annotations

import numpy as np

from wenliu.metrics import confident_learning, softmax


def test_most_planted_label_errors_are_found_and_nothing_else():
    random = np.random.default_rng(0)
    truth = random.integers(0, 4, 1000)
    probabilities = softmax(4 * np.eye(4)[truth] + random.normal(0, 1, (1000, 4)))
    gold = truth.copy()
    planted = random.choice(1000, 50, replace=False)
    gold[planted] = (gold[planted] + 1) % 4
    found = confident_learning(probabilities, gold)
    # A class needs the mean probability of its rows to count: some errors stay below it.
    assert len(set(found) & set(planted)) >= 35
    assert len(set(found) - set(planted)) <= 2


def test_right_labels_are_not_suspect():
    gold = np.array([0, 1, 1, 0])
    assert confident_learning(np.eye(2)[gold] * 0.8 + 0.1, gold).size == 0


def test_most_suspect_first():
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.25, 0.75], [0.02, 0.98]])
    # Rows 3 and 4 are called 0; only row 4 reaches 0.9, the mean of the rows called 1.
    assert confident_learning(probabilities, [0, 0, 1, 0, 0]).tolist() == [4]
    probabilities[2] = [0.3, 0.7]  # now 0.75 is confident too
    assert confident_learning(probabilities, [0, 0, 1, 0, 0]).tolist() == [4, 3]


def test_a_class_without_rows_is_never_suggested():
    assert confident_learning([[0.1, 0.0, 0.9], [0.9, 0.1, 0.0]], [0, 0]).size == 0


def test_no_rows():
    assert confident_learning(np.zeros((0, 2)), []).size == 0
