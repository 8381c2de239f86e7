"""Logits of many rows, computed sorted by length and returned in input order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers.models.bert import BertForSequenceClassification

from wenliu.modeling.device import find_device
from wenliu.modeling.network import load_model
from wenliu.progress import progress_bar
from wenliu.training.batches import Rows, budget_batches, collate

#: Padded tokens of one batch: past this a CPU gains nothing and a GPU is well fed.
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
    model = load_model(model_folder)
    torch.nn.Module.to(model, find_device(device))
    rows = Rows.from_offsets(flat, offsets, np.zeros(len(offsets) - 1, dtype=np.int64))
    return model_logits(model, rows, batch_tokens, "predicting")


@torch.inference_mode()
def model_logits(
    model: BertForSequenceClassification,
    rows: Rows,
    batch_tokens: int,
    description: str | None = None,
) -> np.ndarray:
    """Logits of a model in memory; the model is left in evaluation mode.

    Args:
        model: A classifier of transformers.
        rows: What to predict.
        batch_tokens: Padded tokens of one batch.
        description: Of the progress bar; without one there is none.
    """
    model.eval()
    config: Any = model.config
    device = next(model.parameters()).device
    logits = np.zeros((len(rows), len(config.id2label)), dtype=np.float32)
    bar = progress_bar(len(rows), description) if description else None
    for batch in budget_batches(rows.lengths, batch_tokens):
        inputs = collate(rows, batch, config.pad_token_id or 0)
        output = model(**{k: v.to(device, non_blocking=True) for k, v in inputs.items()})
        logits[batch] = output.logits.float().cpu().numpy()
        if bar is not None:
            bar.update(len(batch))
    if bar is not None:
        bar.close()
    return logits
