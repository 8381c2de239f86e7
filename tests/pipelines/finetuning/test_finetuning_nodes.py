from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from wenliu.modeling.checkpoint import resolve_checkpoint
from wenliu.modeling.doctor import examine
from wenliu.params import FinetuningParams, ModelParams, ScratchParams
from wenliu.pipelines.finetuning.nodes import fit_model
from wenliu.pipelines.tokenization.nodes import build_tokenizer
from wenliu.schemas import TokenIds
from wenliu.text.encoding import encode, load_tokenizer
from wenliu.text.vocabulary import SPECIAL_TOKENS

LABELS = {"labels": ["物流", "退款"]}
TEXTS = ["快递还没到", "快递太慢了", "退款没到账", "什么时候退款"] * 16
SCRATCH = ScratchParams(
    hidden_size=16, layers=1, heads=2, intermediate_size=32, max_positions=32, min_count=1
)


def audited():
    n = len(TEXTS)
    return pa.table(
        {
            "clean_text": TEXTS,
            "split": ["train"] * n,
            "dropped": pa.array([None] * n, pa.string()),
        }
    )


def token_table(tokenizer):
    flat, offsets = encode(load_tokenizer(tokenizer), TEXTS, 16)
    n = len(TEXTS)
    columns = {
        "id": [str(i) for i in range(n)],
        "split": ["validation" if i % 4 == i // 4 % 4 else "train" for i in range(n)],
        "label_id": [i % 4 // 2 for i in range(n)],
        "dropped": ["repeat" if i == 1 else None for i in range(n)],
        "token_ids": pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(flat)),
    }
    return pa.table(columns, TokenIds.arrow())


def run(tmp_path, model, finetuning):
    profile = examine(resolve_checkpoint(model), model)
    tokenizer = build_tokenizer(audited(), profile, model)
    return fit_model(
        token_table(tokenizer),
        tokenizer,
        LABELS,
        profile,
        {"max_length": 16, "truncation": "head"},
        tmp_path / "workspace",
        model,
        finetuning,
    )


def stored(files, folder):
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.read_bytes())
    return folder


def test_a_scratch_model_and_its_report(tmp_path):
    model = ModelParams(scratch=SCRATCH, device="cpu")
    files, history, report = run(tmp_path, model, FinetuningParams(epochs=2, batch_size=8))
    assert set(files) == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    }  # fmt: skip
    json.dumps([history, report])
    assert report["rows"] == 47 and report["validation_rows"] == 16
    assert "random weights" in report["summary"]
    assert report["device"] == "cpu" and report["precision"] == "fp32"
    assert report["epochs"] == 2 and report["steps"] == 12 and not report["stopped_early"]


def test_plain_transformers_loads_the_folder(tmp_path):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = ModelParams(scratch=SCRATCH, device="cpu")
    files, *_ = run(tmp_path, model, FinetuningParams(epochs=1))
    folder = stored(files, tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ours, _ = encode(load_tokenizer(folder / "tokenizer.json"), ["快递到了"], 16)
    assert tokenizer("快递到了")["input_ids"] == ours.tolist()
    loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    assert loaded.config.id2label == {0: "物流", 1: "退款"}


def test_the_real_loading_path(tmp_path):
    """A BERT folder as the hub has them, with the real vocabulary where it is at hand."""
    from transformers.models.bert import BertConfig, BertForMaskedLM

    default = Path(__file__).parents[4] / "shared" / "data"
    real = Path(os.environ.get("WENLIU_BENCH_DATA", default)) / "vocab/bert-base-chinese.vocab.txt"
    own = "\n".join([*SPECIAL_TOKENS, *sorted(set("".join(TEXTS)))]) + "\n"
    vocabulary = real.read_text("utf-8") if real.is_file() else own
    folder = tmp_path / "chinese-roberta-wwm-ext"
    BertForMaskedLM(
        BertConfig(
            vocab_size=vocabulary.count("\n"), hidden_size=32, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=64,
        )
    ).save_pretrained(folder)  # fmt: skip
    (folder / "vocab.txt").write_text(vocabulary, "utf-8")
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    model = ModelParams(checkpoint=str(folder), device="cpu")
    files, _, report = run(tmp_path, model, FinetuningParams(epochs=1))
    assert report["learning_rate"] == 1e-4
    assert report["summary"] == f"Fine-tuned from {folder}."
    weights = stored(files, tmp_path / "model") / "model.safetensors"
    assert weights.stat().st_size > 4 * report["parameters"]
