from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from wenliu.metrics import (
    accuracy_of,
    classification_metrics,
    confusion_matrix,
    gold_macro_f1_of,
    macro_f1,
)


@st.composite
def labelled(draw, most_rows=60):
    n_labels = draw(st.integers(2, 6))
    ids = st.lists(st.integers(0, n_labels - 1), min_size=1, max_size=most_rows)
    gold = draw(ids)
    predicted = draw(st.lists(st.integers(0, n_labels - 1), min_size=len(gold), max_size=len(gold)))
    return np.array(gold), np.array(predicted), n_labels


@given(labelled())
def test_scores_are_those_of_scikit_learn(case):
    gold, predicted, n_labels = case
    scores = classification_metrics(gold, predicted, n_labels)
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(gold, predicted))
    for average in ("macro", "micro", "weighted"):
        expected = reference.precision_recall_fscore_support(
            gold, predicted, average=average, zero_division=0
        )
        for name, value in zip(("precision", "recall", "f1"), expected, strict=False):
            assert scores[f"{average}_{name}"] == pytest.approx(value), (average, name)
    by_class = reference.precision_recall_fscore_support(
        gold, predicted, labels=range(n_labels), zero_division=0
    )
    for name, values in zip(("precision", "recall", "f1", "support"), by_class, strict=True):
        assert scores[name] == pytest.approx(list(values))
    matrix = reference.confusion_matrix(gold, predicted, labels=range(n_labels))
    assert scores["confusion"] == matrix.tolist()
    assert macro_f1(gold, predicted, n_labels) == pytest.approx(scores["macro_f1"])


@given(labelled())
def test_gold_macro_f1_is_scikit_learns_over_the_labels_of_gold(case):
    gold, predicted, n_labels = case
    expected = reference.f1_score(
        gold, predicted, labels=np.unique(gold), average="macro", zero_division=0
    )
    found = gold_macro_f1_of(confusion_matrix(gold, predicted, n_labels))
    assert float(found) == pytest.approx(expected)


def test_no_rows_give_zeros_instead_of_nan():
    scores = classification_metrics([], [], 3)
    assert (scores["rows"], scores["accuracy"], scores["macro_f1"]) == (0, 0.0, 0.0)


def test_stacked_matrices_are_scored_at_once():
    counts = np.array([[[3, 1], [0, 4]], [[1, 1], [1, 1]]])
    assert accuracy_of(counts).tolist() == [7 / 8, 0.5]


@pytest.mark.parametrize(
    ("gold", "predicted"), [([0, 1], [0]), ([0, 2], [0, 1]), ([0, -1], [0, 1])]
)
def test_wrong_ids_are_refused(gold, predicted):
    with pytest.raises(ValueError, match="label"):
        confusion_matrix(gold, predicted, 2)
