from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from wenliu.modeling.baselines import Baseline, assign_folds, out_of_fold

TEXTS = ["房间干净，服务热情", "早餐丰富，还会再来", "房间太脏，态度恶劣", "隔音很差，不会再来"] * 5
LABELS = np.array([1, 1, 0, 0] * 5)
WORDS = [[text[:2], text[2:4], text[5:7], text[7:]] for text in TEXTS]


@pytest.mark.parametrize(("kind", "documents"), [("character", TEXTS), ("word", WORDS)])
def test_it_learns_and_gives_probabilities_by_label_id(kind, documents):
    baseline = Baseline(kind, 3).fit(documents, LABELS)
    probabilities = baseline.probabilities(documents)
    assert probabilities.shape == (20, 3)
    assert np.allclose(probabilities.sum(axis=1), 1)
    assert (probabilities.argmax(axis=1) == LABELS).all()
    assert (probabilities[:, 2] == 0).all()  # training has no row of label 2


def test_many_labels_with_gaps():
    labels = np.array([0, 2, 5, 5] * 5)
    probabilities = Baseline("character", 7).fit(TEXTS, labels).probabilities(TEXTS)
    assert np.flatnonzero(probabilities.sum(axis=0)).tolist() == [0, 2, 5]
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_a_single_label():
    baseline = Baseline("character", 2).fit(TEXTS, np.ones(20, dtype=np.int64))
    assert baseline.probabilities(["没见过"]).tolist() == [[0.0, 1.0]]


def test_nothing_to_count():
    probabilities = Baseline("word", 2).fit([[], []], np.array([0, 1])).probabilities([[], ["词"]])
    assert np.allclose(probabilities, 0.5)
    assert Baseline("word", 2).fit(WORDS, LABELS).probabilities([]).shape == (0, 2)


def test_it_is_deterministic():
    first, again = (Baseline("character", 2).fit(TEXTS, LABELS).probabilities(TEXTS) for _ in "ab")
    assert (first == again).all()


def test_probabilities_need_a_fit():
    with pytest.raises(RuntimeError):
        Baseline("word", 2).probabilities(WORDS)


def test_folds_keep_equal_documents_together_and_labels_even():
    documents = [f"文本{i % 90}" for i in range(100)]  # ten documents stand there twice
    labels = np.array([int(i % 90 < 30) for i in range(100)])
    folds = assign_folds(documents, labels, 5, seed=0)
    assert (folds[:10] == folds[90:]).all()
    for fold in range(5):
        assert 15 <= (folds == fold).sum() <= 25
        assert 6 <= labels[(folds == fold) & (np.arange(100) < 90)].sum() <= 6
    assert (assign_folds(documents, labels, 5, seed=0) == folds).all()
    assert (assign_folds(documents, labels, 5, seed=1) != folds).any()


def test_out_of_fold_probabilities_have_not_seen_their_row():
    documents = [f"{'好' if i % 2 else '坏'}评第{i}条" for i in range(40)]
    labels = np.arange(40) % 2
    labels[7] = 0  # one label is wrong: a model that has seen the row would know it by its number
    done = []
    probabilities = out_of_fold(
        "character", documents, labels, 2, folds=5, seed=0, on_fold=lambda: done.append(1)
    )
    assert len(done) == 5
    assert probabilities[7, 1] > 0.6
    assert np.allclose(probabilities.sum(axis=1), 1)


def test_out_of_fold_of_very_few_rows():
    assert out_of_fold("character", ["一条"], np.array([0]), 2).tolist() == [[1.0, 0.0]]
    assert out_of_fold("character", ["甲", "乙"], np.array([0, 1]), 2, folds=5).shape == (2, 2)


def test_importing_costs_nothing():
    code = "import sys, wenliu.modeling.baselines; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
