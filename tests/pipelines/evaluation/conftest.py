"""A small problem whose truth is known, and a model that answers from it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from wenliu.params import EvaluationParams, ModelParams

LABELS = ["物流", "质量", "<售后>"]
WORDS = [["快递", "包裹"], ["屏幕", "做工"], ["客服", "退款"]]
EXTRA = ["今天", "昨天", "iPhone", "真的", "有点", "非常", "不太", "還是"]


def build(n=240, splits=("train", "validation", "test"), seed=0):
    """Tables as the stages before evaluation make them, and the fake model's logits."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, 3, n)
    split = np.array([splits[i % len(splits)] for i in range(n)])
    words = [
        [*random.choice(EXTRA, 1 + i % 4).tolist(), str(random.choice(WORDS[gold[i]])), f"第{i}条"]
        for i in range(n)
    ]
    texts = ["".join(w) for w in words]
    test_rows = np.flatnonzero(split == "test")
    leak, dropped = np.full(n, None, object), np.full(n, None, object)
    leak[test_rows[::4]] = "identical"
    dropped[np.flatnonzero(split == "train")[::10]] = "leak"
    dropped[np.flatnonzero(split == "validation")[:3]] = "leak"
    ids = [f"a.csv:{i + 2}" for i in range(n)]
    string, int32 = pa.string(), pa.int32()
    audited = pa.table(
        {
            "id": ids,
            "text": texts,
            "label": [LABELS[g] for g in gold],
            "label_id": pa.array(gold, int32),
            "split": split.tolist(),
            "group": pa.nulls(n, string),
            "source": [("a.csv", "b.csv")[i % 2] for i in range(n)],
            "line": pa.array(range(2, n + 2), pa.int64()),
            "clean_text": texts,
            "edits": pa.nulls(n, pa.list_(int32)),
            "split_given": [True] * n,
            "eval_set": pa.nulls(n, string),
            "leak": pa.array(leak.tolist(), string),
            "dropped": pa.array(dropped.tolist(), string),
        }
    )
    audited = pa.concat_tables([audited.slice(0, n // 2), audited.slice(n // 2)])
    logits = 6 * np.eye(3)[gold] + random.normal(0, 3, (n, 3))
    return SimpleNamespace(
        audited=audited,
        words=pa.table(
            {
                "id": ids,
                "words": words,
                "starts": pa.array([[0] * len(w) for w in words], pa.list_(int32)),
            }
        ),
        tokens=pa.table(
            {
                "id": ids,
                "split": split.tolist(),
                "label_id": pa.array(gold, int32),
                "dropped": audited["dropped"],
                "token_ids": pa.array([[2, i, 3] for i in range(n)], pa.list_(int32)),
            }
        ),
        gold=gold,
        split=split,
        logits=logits.astype(np.float32),
        label_map={"labels": LABELS},
        params=EvaluationParams(bootstrap=200, errors=20, suspects=5),
        model_params=ModelParams(device="cpu"),
        profile={"source": "scratch", "parameters": 12345},
    )


@pytest.fixture
def problem():
    return build()


@pytest.fixture
def build_problem():
    return build


@pytest.fixture
def fake_model(monkeypatch):
    """Puts a model in place that knows each row by its middle token."""
    import wenliu.training.prediction as prediction

    def install(logits):
        def predict_logits(model_folder, flat, offsets, **_):
            return logits[flat[offsets[:-1] + 1]]

        monkeypatch.setattr(prediction, "predict_logits", predict_logits)

    return install
