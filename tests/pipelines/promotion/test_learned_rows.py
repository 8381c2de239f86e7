"""Frozen texts among the learned rows are counted from the texts, which are normalised once."""

from __future__ import annotations

import pyarrow as pa
import pytest

from wenliu import parallel
from wenliu.parts import Parts
from wenliu.pipelines.promotion.frozen_rows import count_frozen_rows
from wenliu.pipelines.splitting.columns import read_keys

TEXTS = ["訓練　文本甲", "Ｔrain文本\u200b乙", "门控文本", "门控文本"]
SPLITS = ["train", "validation", "test", "train"]


def rows(dropped=(None, None, None, "leak"), texts=TEXTS):
    return pa.table(
        {
            "text": texts,
            "group": pa.nulls(len(texts), pa.string()),
            "split": SPLITS,
            "dropped": pa.array(dropped, pa.string()),
        }
    )


@pytest.fixture
def remembered(monkeypatch, tmp_path):
    monkeypatch.setenv("WENLIU_MEMO", "on")
    monkeypatch.setattr("wenliu.memo._place", lambda: tmp_path / "memo")


def test_what_is_dropped_is_not_learned(night):
    """Reliability 16: the overlap of frozen rows and training must be 0, after normalising."""
    frozen = night.frozen(["门控文本"])
    nothing = pa.array([], pa.uint64()).to_numpy()
    assert count_frozen_rows(rows(), nothing, frozen) == (0, 1)
    assert count_frozen_rows(rows(dropped=[None] * 4), nothing, frozen) == (1, 1)


def test_texts_that_splitting_has_hashed_are_not_normalised_again(
    night, remembered, monkeypatch, tmp_path
):
    """A million rows took 5 s a night. A row that changed since is hashed anew."""
    frozen = night.frozen(["训练文本甲"])
    stored = Parts.of(rows().select(["text", "group"]))
    read_keys(stored, frozen["salt"])
    hashed = []
    work = parallel._work
    monkeypatch.setattr(
        parallel, "_work", lambda function, tables, *rest: hashed.extend(tables) or work(
            function, tables, *rest
        )
    )  # fmt: skip
    nothing = pa.array([], pa.uint64()).to_numpy()
    assert count_frozen_rows(rows(), nothing, frozen) == (1, 1) and not hashed
    changed = rows(texts=[*TEXTS[:3], "训练文本甲"], dropped=[None] * 4)
    assert count_frozen_rows(changed, nothing, frozen) == (2, 1) and len(hashed) == 1
