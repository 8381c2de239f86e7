"""A night that goes well: what the stage reads, with two real models' worth of answers."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from wenliu.params import ModelParams, PromotionParams
from wenliu.schemas import GatePredictions

_HELPER = Path(__file__).parents[2] / "serving/tiny_problem.py"
tiny_problem = runpy.run_path(str(_HELPER))["tiny_problem"]

LABELS = ["物流", "质量", "<b>售后</b>"]


def answers(gold, share_right, random, labels=LABELS):
    """Predictions that are right in a share of the rows."""
    other = (gold + random.integers(1, len(labels), gold.size)) % len(labels)
    return np.where(random.random(gold.size) < share_right, gold, other)


def predictions(gold, challenger, champion=None, eval_set=None, labels=LABELS):
    """The table of answers for label ids."""
    n = len(gold)
    names = np.array(labels, dtype=object)
    table = {
        "id": [f"a.csv:{i + 2}" for i in range(n)],
        "eval_set": eval_set or ["gate"] * n,
        "gold": names[gold].tolist(),
        "champion": [None] * n if champion is None else names[champion].tolist(),
        "challenger": names[challenger].tolist(),
        "champion_probability": [None] * n if champion is None else [0.75] * n,
        "challenger_probability": [0.5 + (i % 50) / 100 for i in range(n)],
        "source": [("a.csv", "b.csv")[i % 2] for i in range(n)],
        "text": [f"第{i}条<script>alert(1)</script>" + "长" * (i % 40) for i in range(n)],
    }
    return pa.table(table, GatePredictions.arrow())


def self_test_of(sha256, labels=LABELS, **other):
    return {
        "passed": True,
        "reason": "",
        "sha256": sha256,
        "labels": labels,
        "engine": "onnxruntime",
        "precision": "fp32",
        "bytes": 5_000_000,
        "facts": {
            "rows": {"train": 4000},
            "versions": {"wenliu": "0.1.0"},
            "checkpoint": {"source": "scratch", "revision": None},
            "training": {"epochs": 3, "code": "1a2b3c"},
            "max_length": 128,
            "truncation": "head",
        },
        "load_seconds": 0.2,
        "milliseconds_per_text": 0.4,
        **other,
    }


def self_tests(challenger, champion, labels=LABELS):
    return {
        "challenger": self_test_of(challenger, labels),
        "champion": self_test_of(champion),
    }


@pytest.fixture
def night():
    """Arguments of ``decide_promotion`` for an equally good challenger; a test changes some."""
    random = np.random.default_rng(1)
    gold = random.integers(0, 3, 3000)
    champion = answers(gold, 0.9, random)
    challenger = np.where(random.random(gold.size) < 0.96, champion, gold)  # repairs a few rows
    sets = ["gate"] * 2400 + ["audit"] * 500 + ["fresh"] * 100
    audited = pa.table(
        {
            "text": ["訓練　文本甲", "Ｔrain文本\u200b乙", "门控文本"],
            "group": pa.nulls(3, pa.string()),
            "split": ["train", "validation", "test"],
            "dropped": pa.nulls(3, pa.string()),
        }
    )
    return SimpleNamespace(
        gold=gold,
        champion_ids=champion,
        challenger_ids=challenger,
        sets=sets,
        labels=LABELS,
        predictions=predictions,
        self_test_of=self_test_of,
        self_tests=self_tests,
        frozen=frozen,
        inputs={
            "gate_predictions": predictions(gold, challenger, champion, sets),
            "self_tests": self_tests("c" * 64, "a" * 64),
            "reigning_champion": {
                "version": 6,
                "folder": Path("champion"),
                "reason": "",
                "sha256": "a" * 64,
                "labels": LABELS,
                "best": None,
                "blocked": {},
            },
            "registered_model": {"name": "p", "version": 7, "uri": "models:/p/7", "reused": False,
                                 "fingerprint": "data-config"},
            "label_map": {"labels": LABELS},
            "audited_examples": audited,
            "frozen_sets": frozen([]),
            "drift_report": {"verdict": "ok", "new_rows": 500, "reference_rows": 9490,
                             "measures": {}},
            "finetuning_report": {"stopped_early": False, "best_epoch": 2.0, "epochs": 3.0,
                                  "out_of_memory": 0, "resumed_from": None},
            "training_history": [
                *({"step": i, "epoch": i / 10, "split": "train", "loss": 2.0 / (1 + i)}
                  for i in range(30)),
                *({"step": 10 * e, "epoch": float(e), "split": "validation", "loss": 0.5}
                  for e in (1, 2, 3)),
            ],
            "export_report": {
                "bundle_sha256": "c" * 64,
                "parity": {"max_abs_logit_difference": 1e-6, "tolerance": 1e-3, "rows": 300},
                "raw_path": {"decided_on": {"same_labels": 1.0, "rows": 300}},
            },
            "params": PromotionParams(bootstrap=500),
            "model_params": ModelParams(),
        },
    )  # fmt: skip


def frozen(texts):
    """What ``frozen.yml`` holds when these texts are gate rows."""
    from wenliu.frozen import form_hashes
    from wenliu.text.normal_form import normal_forms_v1

    hashes = form_hashes(normal_forms_v1(texts)).tolist() if texts else []
    return {
        "problem": "p",
        "frozen_at": "2026-11-21T00:00:00+00:00",
        "labels": LABELS,
        "salt": "wenliu",
        "test": 0.1,
        "validation": 0.1,
        "dealt": ["train", "validation", "test"],
        "undealt": [],
        "gate": " ".join(f"{value:016x}" for value in hashes),
        "audit": "",
    }
