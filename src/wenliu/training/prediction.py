"""Logits of many rows, computed sorted by length and returned in input order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from wenliu.modeling.device import find_device
from wenliu.modeling.network import load_model
from wenliu.modeling.packed import as_classifier
from wenliu.progress import progress_bar
from wenliu.training.batches import Rows, budget_batches, pack

#: Tokens of one batch: past this a CPU gains nothing and a GPU is well fed.
BATCH_TOKENS = 4_096


def predict_logits(
    model_folder: Path,
    flat: np.ndarray,
    offsets: np.ndarray,
    batch_tokens: int = BATCH_TOKENS,
    device: str = "auto",
) -> np.ndarray:
    """Logits of a saved model, in fp32.

    Args:
        model_folder: What ``save_model`` wrote.
        flat: Token ids of all rows, with special tokens.
        offsets: Where rows begin in ``flat``; one entry more than there are rows.
        batch_tokens: Padded tokens of one batch.
        device: A torch device, or ``auto``.

    Returns:
        float32 of shape (rows, labels), in input order.
    """
    model, found = load_model(model_folder), find_device(device)
    torch.nn.Module.to(model, found)
    rows = Rows.from_offsets(flat, offsets, np.zeros(len(offsets) - 1, dtype=np.int64))
    n_labels = len(model.config.id2label or {})
    return classifier_logits(
        as_classifier(model, found), rows, n_labels, batch_tokens, "predicting"
    )


@torch.inference_mode()
def classifier_logits(
    classifier: nn.Module,
    rows: Rows,
    n_labels: int,
    batch_tokens: int,
    description: str | None = None,
) -> np.ndarray:
    """Logits of a classifier in memory; it is left in evaluation mode.

    Args:
        classifier: From packed batches to logits, see ``modeling.packed``.
        rows: What to predict.
        n_labels: Logits of a row.
        batch_tokens: Tokens of one batch, padded ones counted.
        description: Of the progress bar; without one there is none.
    """
    classifier.eval()
    device = next(classifier.parameters()).device
    logits = np.zeros((len(rows), n_labels), dtype=np.float32)
    bar = progress_bar(len(rows), description) if description else None
    for batch in budget_batches(rows.lengths, batch_tokens):
        logits[batch] = classifier(pack(rows, batch).to(device)).float().cpu().numpy()
        if bar is not None:
            bar.update(len(batch))
    if bar is not None:
        bar.close()
    return logits
