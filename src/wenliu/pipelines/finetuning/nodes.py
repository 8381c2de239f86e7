"""Nodes of fine-tuning: token ids become a model on disk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from wenliu.frames import Table
from wenliu.params import FinetuningParams, ModelParams

if TYPE_CHECKING:
    from wenliu.training.batches import Rows


def fit_model(
    token_ids: Table,
    tokenizer: dict,
    label_map: dict,
    checkpoint_profile: dict,
    max_length: dict,
    training_workspace: Path,
    model_params: ModelParams,
    finetuning_params: FinetuningParams,
) -> tuple[dict, list, dict]:
    """Trains the classifier on the rows that the audit left in training.

    Returns:
        The files of ``model`` (name to content or path), the ``training_history`` and the report.
    """
    import torch

    from wenliu.modeling.device import choose_device, choose_precision
    from wenliu.modeling.network import build_model, count_weights
    from wenliu.pipelines.finetuning.report import describe_fit
    from wenliu.pipelines.finetuning.settings import resolve_settings
    from wenliu.tasks import get_task
    from wenliu.training.job import fit_in_processes
    from wenliu.training.launch import choose_processes
    from wenliu.training.preflight import check_space

    task = get_task(model_params.task)
    device = choose_device(model_params)
    processes = choose_processes(finetuning_params.processes, device)
    precision = choose_precision(
        finetuning_params.precision, device, checkpoint_profile["hidden_size"]
    )
    training, validation = (_select_rows(token_ids, split) for split in ("train", "validation"))
    made_of = {
        "head": task.head,
        "labels": label_map["labels"],
        "vocab_size": _vocab_size(tokenizer),
        "params": model_params,
    }
    workspace = Path(training_workspace)
    weights = count_weights(checkpoint_profile, **made_of)
    check_space(workspace, weights, training.bytes + validation.bytes, processes.total)
    model = build_model(checkpoint_profile, **made_of)
    settings = resolve_settings(
        finetuning_params,
        checkpoint_profile,
        int(training.lengths.sum()),
        model_params.seed,
        precision,
    )
    result = fit_in_processes(
        model, task, training, validation, settings, workspace, device, processes
    )
    report = {
        "rows": len(training),
        "validation_rows": len(validation),
        "device": str(device),
        "precision": precision,
        "processes": processes.total,
        "threads": torch.get_num_threads(),
        "parameters": weights,
        **describe_fit(result, settings, checkpoint_profile),
    }
    files = {path.name: path for path in sorted(result.best.iterdir())}
    return {**files, **_tokenizer_files(tokenizer, max_length)}, result.history, report


def _select_rows(token_ids: Table, split: str) -> Rows:
    """Rows of one split that the audit did not drop; their token ids stay where they are mapped."""
    import numpy as np
    import pyarrow.compute as pc

    from wenliu.training.batches import Rows

    parts = [
        (chunk.values.to_numpy(), chunk.offsets.to_numpy())
        for chunk in token_ids["token_ids"].chunks
        if len(chunk)
    ]
    rows = Rows.from_parts(parts, token_ids["label_id"].to_numpy())
    chosen = pc.and_(pc.equal(token_ids["split"], split), pc.is_null(token_ids["dropped"]))
    return rows.take(np.flatnonzero(chosen.to_numpy()))


def _vocab_size(tokenizer: dict) -> int:
    from wenliu.text.encoding import load_tokenizer

    return load_tokenizer(tokenizer).get_vocab_size()


def _tokenizer_files(tokenizer: dict, max_length: dict) -> dict[str, bytes]:
    """The tokenizer beside the weights, so that plain transformers can load the folder."""
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": max_length["max_length"],
        "pad_token": "[PAD]",
        "unk_token": "[UNK]",
        "cls_token": "[CLS]",
        "sep_token": "[SEP]",
        "mask_token": "[MASK]",
    }
    return {
        "tokenizer.json": json.dumps(tokenizer, ensure_ascii=False).encode(),
        "tokenizer_config.json": json.dumps(config, indent=2).encode(),
    }
