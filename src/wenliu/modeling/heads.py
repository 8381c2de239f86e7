"""Heads that are kept: a model that learns one more class does not forget the others."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers.models.bert import BertForSequenceClassification


def label_settings(labels: Sequence[str]) -> dict[str, Any]:
    """What ``config.json`` says about labels, given in the order of their ids."""
    names = dict(enumerate(labels))
    return {"id2label": names, "label2id": {name: i for i, name in names.items()}}


def labels_of(config: Mapping[str, Any]) -> list[str]:
    """Labels that a parsed ``config.json`` declares, in the order of their ids."""
    names: Mapping[str, str] = config.get("id2label") or {}
    return [names[key] for key in sorted(names, key=int)]


def continues(labels: Sequence[str], known: Sequence[str]) -> bool:
    """Whether ``labels`` are those of a head, and perhaps new ones at the end."""
    return bool(known) and list(labels[: len(known)]) == list(known)


@torch.no_grad()
def grow_head(model: BertForSequenceClassification, labels: Sequence[str]) -> None:
    """Gives the classifier a row for each new label; the old rows stay bit for bit.

    New weights are drawn as BERT's are, small, so that before any training a new class says about
    nothing and the logits of the old ones are what they were.

    Args:
        model: Changed in place.
        labels: Those of the head, in order, then the new ones.
    """
    old = model.classifier
    new = torch.nn.Linear(old.in_features, len(labels))
    torch.nn.init.normal_(new.weight, std=model.config.initializer_range)
    torch.nn.init.zeros_(new.bias)
    new.weight[: old.out_features] = old.weight
    new.bias[: old.out_features] = old.bias
    model.classifier = new
    model.num_labels = len(labels)
    model.config.update(label_settings(labels))


@torch.no_grad()
def redraw_head(model: BertForSequenceClassification) -> None:
    """Forgets a head that was trained on other labels."""
    torch.nn.init.normal_(model.classifier.weight, std=model.config.initializer_range)
    torch.nn.init.zeros_(model.classifier.bias)


def grow_checkpoint(model_folder: Path, labels: Sequence[str], target: Path) -> None:
    """Writes a trained model with a grown head as a checkpoint to start from.

    Args:
        model_folder: A version of ``model``: weights and tokenizer.
        labels: Those of the model, in order, then the new ones.
        target: An existing folder.
    """
    from wenliu.modeling.network import load_model, save_model

    model = load_model(model_folder)
    torch.manual_seed(0)
    grow_head(model, labels)
    save_model(model, target)
    for path in model_folder.glob("tokenizer*.json"):
        shutil.copyfile(path, target / path.name)
