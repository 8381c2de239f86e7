"""What the two fine-tuning comparisons share: rows, our step and HF Trainer on the same of both."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    DataCollatorWithPadding,
    PreTrainedTokenizerFast,
    Trainer,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

from benchmarks.harness import texts_of
from wenliu.modeling.packed import as_classifier
from wenliu.text.vocabulary import build_character_tokenizer, wordpiece_tokenizer
from wenliu.training.batches import Rows, epoch_steps
from wenliu.training.optimization import LOSSES, Objective
from wenliu.training.settings import FitSettings
from wenliu.training.step import TrainStep

VOCABULARY = 21_128
MAX_TOKENS = 512
LABELS = 2
BATCH = 32
#: Rows among which the peer groups by length: as many as ChnSentiCorp has.
EPOCH_ROWS = 9_600
RATE = 3e-5


@dataclass(frozen=True)
class Problem:
    """Token ids of some rows, drawn from a data set, for both systems."""

    rows: Rows
    tokenizer: PreTrainedTokenizerFast
    where: str

    @classmethod
    def of(cls, name: str, batches: int) -> Problem:
        """Batches of 32 out of an epoch that Trainer groups by length, evenly spread over it.

        Trainer's own function groups 9,600 rows; grouping fewer it pads more, so that a part of
        the rows alone would not show what it can do. Rows stand in the order of that epoch.
        Labels are drawn: they cost the same.
        """
        texts, where = texts_of(name)
        folder = os.environ.get("WENLIU_BENCH_DATA")
        if folder:
            vocabulary = Path(folder) / "vocab/bert-base-chinese.vocab.txt"
            tokens = vocabulary.read_text("utf-8").rstrip("\n").split("\n")
            tokenizer = wordpiece_tokenizer(tokens, True)
        else:
            tokenizer = build_character_tokenizer(texts)
        tokenizer.enable_truncation(MAX_TOKENS)
        generator = np.random.default_rng(1)
        chosen = generator.choice(len(texts), EPOCH_ROWS, replace=len(texts) < EPOCH_ROWS)
        ids = [row.ids for row in tokenizer.encode_batch([texts[i] for i in chosen])]
        order = get_length_grouped_indices(
            [len(row) for row in ids], BATCH, generator=torch.Generator().manual_seed(1)
        )
        every = EPOCH_ROWS // BATCH // batches
        picked = np.array(order).reshape(-1, BATCH)[every // 2 :: every][:batches].ravel()
        ids = [ids[i] for i in picked]
        offsets = np.cumsum([0, *map(len, ids)])
        rows = Rows.from_offsets(
            np.concatenate(ids).astype(np.int32), offsets, generator.integers(0, LABELS, len(ids))
        )
        return cls(
            rows, PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]"), where
        )

    def dataset(self) -> list[dict[str, Any]]:
        """The rows as Trainer takes them."""
        [flat] = self.rows.flats
        return [
            {"input_ids": flat[start : start + length].tolist(), "labels": int(label)}
            for start, length, label in zip(
                self.rows.starts, self.rows.lengths, self.rows.labels, strict=True
            )
        ]


def make_model(**size: Any) -> BertForSequenceClassification:
    """A BERT of random weights, the same every time."""
    torch.manual_seed(0)
    return BertForSequenceClassification(
        BertConfig(vocab_size=VOCABULARY, num_labels=LABELS, **size)
    )


def our_step(
    model: BertForSequenceClassification,
    rows: Rows,
    device: torch.device,
    kind: type[TrainStep] = TrainStep,
    **changes: Any,
) -> tuple[TrainStep, FitSettings]:
    """The step that ``kedro run`` takes, with the settings of the peer."""
    defaults: dict[str, Any] = {
        "epochs": 100, "batch_by": "rows", "batch_size": 32, "batch_tokens": 16_384,
        "accumulation": 1, "learning_rate": RATE, "layer_decay": 1.0, "weight_decay": 0.01,
        "warmup": 0.0, "max_gradient_norm": 1.0, "class_weights": "none", "label_smoothing": 0.0,
        "token_dropout": 0.0, "precision": "fp32", "metric": "loss", "patience": 1,
        "cuda_graphs": "auto", "evaluations_per_epoch": 1, "seed": 1, "checkpoint_minutes": 10.0,
    }  # fmt: skip
    settings = FitSettings(**{**defaults, **changes})
    torch.nn.Module.to(model, device)
    objective = Objective(LOSSES["cross_entropy"], rows.labels, LABELS, settings, device)
    classifier = as_classifier(model, device)
    return kind(classifier, rows, objective, settings, device, 1_000_000), settings


def our_epochs(step: TrainStep, settings: FitSettings) -> Callable[[], None]:
    """Runs one epoch after another, each in an order of its own."""
    epoch = iter(range(settings.epochs))

    def run() -> None:
        number = next(epoch)
        for rows in epoch_steps(step.training.lengths, settings, number, grouped=False):
            step(rows, number)
        step.read_loss()

    return run


def peer(
    model: BertForSequenceClassification,
    problem: Problem,
    pad_to: int | None = None,
    **settings: Any,
) -> Trainer:
    """HF Trainer with everything off that costs time and trains nothing."""
    defaults: dict[str, Any] = {
        "per_device_train_batch_size": 32, "num_train_epochs": 1, "learning_rate": RATE,
        "weight_decay": 0.01, "optim": "adamw_torch_fused", "max_grad_norm": 1.0,
        "logging_strategy": "no", "save_strategy": "no", "eval_strategy": "no", "report_to": [],
        "disable_tqdm": True, "dataloader_num_workers": 0, "dataloader_pin_memory": False,
        "logging_nan_inf_filter": False, "seed": 1,
    }  # fmt: skip
    padding: dict[str, Any] = {"padding": "max_length", "max_length": pad_to} if pad_to else {}
    trainer = Trainer(
        model,
        TrainingArguments(tempfile.mkdtemp(prefix="trainer-"), **{**defaults, **settings}),
        data_collator=DataCollatorWithPadding(problem.tokenizer, **padding),
        train_dataset=problem.dataset(),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer
