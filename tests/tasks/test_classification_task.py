"""A task says what differs; everything else asks it."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from wenliu.errors import UserError
from wenliu.params import ModelParams
from wenliu.tasks import get_task

LABELS = ["物流", "质量", "售后"]


def test_a_task_is_found_by_name_and_an_unknown_one_names_the_known():
    assert get_task("classification").name == "classification"
    with pytest.raises(UserError, match="classification"):
        get_task("ner")


def test_predictions_are_calibrated_and_keep_the_argmax():
    logits = np.array([[2.0, 0.0, -1.0], [0.0, 0.0, 5.0]])
    cool, warm = (get_task("classification").predict(logits, LABELS, t) for t in (1.0, 4.0))
    assert [p.label for p in cool] == [p.label for p in warm] == ["物流", "售后"]
    assert warm[0].probability < cool[0].probability
    for prediction in (*cool, *warm):
        assert prediction.probabilities.sum() == pytest.approx(1)
        assert prediction.probability == prediction.probabilities.max()


def test_no_rows_no_predictions():
    assert get_task("classification").predict(np.zeros((0, 3)), LABELS, 1.0) == []


def test_metrics_are_those_of_the_argmax():
    logits = np.eye(3)[[0, 1, 2, 0]]
    metrics = get_task("classification").metrics([0, 1, 2, 2], logits, 3)
    assert metrics["accuracy"] == 0.75
    assert metrics["macro_f1"] == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


@pytest.mark.parametrize("name", get_args(ModelParams.model_fields["task"].annotation))
def test_every_task_of_the_parameters_exists_with_its_head_and_loss(name):
    from wenliu.modeling.network import HEADS
    from wenliu.training.optimization import LOSSES

    task = get_task(name)
    assert task.name == name
    assert task.head in HEADS and task.loss in LOSSES
