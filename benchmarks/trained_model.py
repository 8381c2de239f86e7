"""A really trained model through the gate of ``export``: does a precision keep its labels?"""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks.harness import ROOT, Comparison
from wenliu.modeling.network import build_model
from wenliu.modeling.onnx_export import export_onnx
from wenliu.params import ExportParams, FinetuningParams, ModelParams, ScratchParams
from wenliu.pipelines.export.precisions import offer_precisions
from wenliu.pipelines.finetuning.settings import resolve_settings
from wenliu.tasks import get_task
from wenliu.text.encoding import encode, load_tokenizer
from wenliu.text.vocabulary import build_character_tokenizer
from wenliu.training.batches import Rows
from wenliu.training.fit import fit
from wenliu.training.prediction import predict_logits

SIZE = ScratchParams(hidden_size=128, layers=4, heads=4, intermediate_size=512, max_positions=64)
EPOCHS = 3


def gate_a_trained_model(comparison: Comparison) -> None:
    """Trains, exports, measures every engine and precision; figures go into ``comparison``."""
    texts, labels, names, where = _labelled()
    order = np.random.default_rng(3).permutation(len(texts))
    split = np.full(len(texts), "train", dtype=object)
    split[order[: len(texts) // 10]] = "validation"
    split[order[len(texts) // 10 : len(texts) // 5]] = "test"
    tokenizer = build_character_tokenizer(
        [t for t, s in zip(texts, split, strict=True) if s == "train"]
    )
    vocabulary = load_tokenizer(json.loads(tokenizer.to_str()))
    flat, offsets = encode(vocabulary, texts, SIZE.max_positions)
    rows = Rows.from_offsets(flat, offsets, labels)
    task, params = get_task("classification"), ModelParams(scratch=SIZE)
    profile = {"path": None, "learning_rate": 1e-3}
    model = build_model(
        profile, head=task.head, labels=names, vocab_size=tokenizer.get_vocab_size(), params=params
    )
    settings = resolve_settings(FinetuningParams(epochs=EPOCHS), profile, len(flat), 1, "fp32")
    token_ids = pa.table(
        {
            "split": pa.array(split.tolist()),
            "label_id": pa.array(labels, pa.int32()),
            "dropped": pa.nulls(len(texts), pa.string()),
            "token_ids": pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), pa.array(flat)),
        }
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        begun = time.perf_counter()
        train, validation = (rows.take(np.flatnonzero(split == s)) for s in ("train", "validation"))
        best = fit(model, task, train, validation, settings, folder, torch.device("cpu")).best
        seconds = time.perf_counter() - begun
        predicted = np.unique(predict_logits(best, flat, offsets, device="cpu").argmax(1)).size
        export_onnx(best, folder / "model.onnx")
        offer = offer_precisions(
            folder / "model.onnx", token_ids, task, len(names), 1.0, ExportParams()
        )
    assert predicted > 2, "a model that always answers the same keeps every label"
    comparison.notes.append(
        f"Gate: {SIZE.layers} layers of width {SIZE.hidden_size}, {EPOCHS} epochs on "
        f"{len(train):,} {where} ({seconds:.0f} s); it answers with "
        f"{predicted} of {len(names)} labels."
    )
    for found in offer.measured:
        name = f"{found['precision']} by {found['engine']}"
        if "same_labels" not in found:
            comparison.notes.append(f"Gate: {name} was not measured: {found['why']}.")
            continue
        for part, share in found["same_labels"].items():
            compared = found["rows"][part]
            comparison.agree(f"labels of {name}@{part}", compared, round(compared * (1 - share)))
        verdict = "offered" if found["offered"] else f"refused: {found['why']}"
        if offer.engines.get(found["engine"], {}).get("chosen") == found["precision"]:
            verdict += " and chosen for this engine"
        comparison.notes.append(
            f"Gate: {name}: accuracy {found['accuracy']:.4f}, macro-F1 {found['macro_f1']:.4f}, "
            f"calibration error {found['ece']:.4f} on {found['scored_on']}; its neighbours move a "
            f"probability by {found['moved_by_neighbours']:.1g} at most; {verdict}."
        )


def _labelled() -> tuple[list[str], np.ndarray, list[str], str]:
    """Texts, label ids, label names and what they are."""
    if folder := os.environ.get("WENLIU_BENCH_DATA"):
        home = Path(folder) / "classification/thucnews_titles"
        lines = home.joinpath("titles.txt").read_text("utf-8").splitlines()
        texts, given = zip(*(line.split("\t") for line in lines), strict=True)
        names = home.joinpath("class.txt").read_text("utf-8").split()
        return list(texts), np.array(given, dtype=np.int64), names, "news titles"
    rows = [
        json.loads(line)
        for path in sorted((ROOT / "data/00_written/feedback_topics").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    names = sorted({row["topic"] for row in rows})
    ids = np.array([names.index(row["topic"]) for row in rows], dtype=np.int64)
    return [row["text"] for row in rows], ids, names, "bundled messages"
