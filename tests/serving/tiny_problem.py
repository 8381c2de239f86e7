"""A tiny problem with a random BERT, its real bundle and the tables around it.

Built once for a test session and shared through the disk: exporting costs some seconds of torch.
Loaded by the conftest files of the folders that need it.
"""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

LABELS = ["物流", "质量", "售后"]
SENTENCES = [
    "快递三天了还没到，客服也不回消息",
    "包裹被压坏了，里面的杯子碎了一个",
    "颜色和图片上完全不一样，有点失望",
    "退款申请提交了一个星期还在审核",
    "Iphone 手机壳太薄了，摔一次就裂",
    "發貨很快，包裝也很結實，謝謝",
    "质量不错👍下次还会再买！！！",
    "客服态度很好，问题当天就解决了",
    "衣服洗了一次就掉色，不推荐",
    "配送员把箱子放在门口就走了",
    "<b>充电器</b>用了两天就坏&nbsp;求换货",
    "打电话13800138000也没人接，只能再等等看，希望能早点处理完这件事情",
]
SPLITS = ["train"] * 6 + ["validation"] * 3 + ["test"] * 3


@dataclass
class TinyProblem:
    """Everything the export stage is given, and the bundle it made of it."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle"

    @property
    def model(self) -> Path:
        return self.folder / "model"

    def json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    def table(self, name: str) -> Any:
        import pyarrow.parquet as parquet

        return parquet.read_table(self.folder / f"{name}.parquet")

    def export_inputs(self, workspace: Path) -> dict[str, Any]:
        """Arguments of ``build_bundle`` besides the parameters."""
        return {
            "model": self.model,
            "training_workspace": workspace,
            "token_ids": self.table("token_ids"),
            "audited_examples": self.table("audited_examples"),
            **{
                name: self.json(name)
                for name in (
                    "tokenizer",
                    "label_map",
                    "text_settings",
                    "max_length",
                    "calibration",
                    "metrics",
                    "checkpoint_profile",
                    "finetuning_report",
                )
            },
        }


@pytest.fixture(scope="session")
def tiny_problem(tmp_path_factory) -> TinyProblem:
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = shared / "tiny_problem"
    with (shared / "tiny_problem.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            folder.mkdir(exist_ok=True)
            build(TinyProblem(folder))
            (folder / "done").touch()
    return TinyProblem(folder)


def build(problem: TinyProblem) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as parquet
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from wenliu import schemas
    from wenliu.datasets import FolderDataset
    from wenliu.modeling.network import save_model
    from wenliu.params import ExportParams, ModelParams
    from wenliu.pipelines.export.nodes import build_bundle
    from wenliu.text.encoding import encode, load_tokenizer
    from wenliu.text.normalizer import Normalizer
    from wenliu.text.settings import resolve_settings
    from wenliu.text.vocabulary import build_character_tokenizer
    from wenliu.training.prediction import predict_logits

    settings = resolve_settings(vocabulary=None, lowercase=True, simplify=False)
    cleaned = Normalizer(settings).clean_batch(SENTENCES)
    tokenizer = json.loads(build_character_tokenizer(cleaned, 1).to_str())
    flat, offsets = encode(load_tokenizer(tokenizer), cleaned, 32)

    torch.manual_seed(0)
    save_model(
        BertForSequenceClassification(
            BertConfig(
                vocab_size=load_tokenizer(tokenizer).get_vocab_size(),
                hidden_size=32,
                num_hidden_layers=2,
                num_attention_heads=2,
                intermediate_size=64,
                max_position_embeddings=64,
                num_labels=len(LABELS),
                initializer_range=0.3,  # else all texts get nearly the same logits
            )
        ),
        problem.model,
    )
    logits = predict_logits(problem.model, flat, offsets)
    gold = (logits.argmax(1) + (np.arange(len(SENTENCES)) % 4 == 0)) % len(LABELS)

    n = len(SENTENCES)
    ids = [f"tiny.csv:{line}" for line in range(2, n + 2)]
    columns: dict[str, list[Any]] = {
        "id": ids,
        "text": SENTENCES,
        "label": [LABELS[i] for i in gold],
        "label_id": gold.tolist(),
        "split": SPLITS,
        "group": [None] * n,
        "source": ["tiny.csv"] * n,
        "line": list(range(2, n + 2)),
        "clean_text": cleaned,
        "edits": [None] * n,
        "split_given": [False] * n,
        "eval_set": [None] * n,
        "leak": [None] * n,
        "dropped": [None] * n,
        "token_ids": [flat[offsets[i] : offsets[i + 1]].tolist() for i in range(n)],
        "logits": logits.tolist(),
        "baseline": np.full((n, len(LABELS)), 1 / len(LABELS)).tolist(),
    }
    evaluated = [i for i, split in enumerate(SPLITS) if split != "train"]
    for name, schema, rows in (
        ("examples", schemas.Examples, range(n)),
        ("audited_examples", schemas.AuditedExamples, range(n)),
        ("token_ids", schemas.TokenIds, range(n)),
        ("predictions", schemas.Predictions, evaluated),
    ):
        arrow = schema.arrow()
        data = {field.name: [columns[field.name][i] for i in rows] for field in arrow}
        table = schema.validate(pa.table(data, arrow))
        parquet.write_table(table, problem.folder / f"{name}.parquet")
    for name, value in {
        "tokenizer": tokenizer,
        "label_map": {"labels": LABELS},
        "text_settings": settings.to_dict(),
        "max_length": {"max_length": 32, "truncation": "head"},
        "calibration": {"temperature": 1.7},
        "metrics": {"test": {"accuracy": 0.75, "macro_f1": 0.7, "rows": 3}},
        "checkpoint_profile": {"source": "scratch", "revision": None, "lowercase": True},
        "finetuning_report": {"settings": {"epochs": 1, "learning_rate": 0.001}},
    }.items():
        text = json.dumps(value, ensure_ascii=False)
        (problem.folder / f"{name}.json").write_text(text, "utf-8")
    workspace = problem.folder / "workspace"
    workspace.mkdir()
    files = build_bundle(
        **problem.export_inputs(workspace),
        params=ExportParams(engines=("onnxruntime",)),  # NNCF would cost every session seconds
        model_params=ModelParams(),
    )
    FolderDataset(str(problem.bundle)).save(files)
