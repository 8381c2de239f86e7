"""Nodes of export: build the bundle, prove it, register it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import ExportParams, ModelParams
from wenliu.parts import Parts

_VERSIONS = ("numpy", "onnxruntime", "tokenizers", "torch", "transformers")


def build_bundle(
    model: Path,
    tokenizer: dict,
    label_map: dict,
    text_settings: dict,
    max_length: dict,
    calibration: dict,
    metrics: dict,
    checkpoint_profile: dict,
    finetuning_report: dict,
    token_ids: Table,
    audited_examples: Table | Parts,
    training_workspace: Path,
    params: ExportParams,
    model_params: ModelParams,
) -> Mapping[str, bytes | Path]:
    """Everything a server needs, as the files of one folder.

    Of a frozen problem, gate and audit rows have no part in what is offered.

    Returns:
        File name to content; ``manifest.json`` lists the others with their sha256.

    Raises:
        UserError: When a logit of the ONNX model differs from torch's by more than
            ``parity_tolerance``, or the model does not fit into one file.
    """
    from wenliu import __version__
    from wenliu.modeling.onnx_export import export_onnx
    from wenliu.pipelines.export.model_card import write_model_card
    from wenliu.pipelines.export.precisions import offer_precisions
    from wenliu.pipelines.export.rows import leave_out_judges
    from wenliu.pipelines.export.scores import headline_scores
    from wenliu.progress import progress_bar
    from wenliu.serving.manifest import build_manifest
    from wenliu.tasks import get_task

    onnx_file = training_workspace / "model.onnx"
    task = get_task(model_params.task)
    choosing = leave_out_judges(token_ids, audited_examples)
    with progress_bar(3, "building the bundle", "part") as bar:

        def say(what: str) -> None:
            # A terminal shows it at once, for it takes seconds; a log needs no line for each part.
            bar.set_postfix_str(what, refresh=sys.stderr.isatty())

        say("exporting to ONNX")
        export_onnx(model, onnx_file, params.opset)
        bar.update()
        _refuse_two_files(onnx_file)
        say("comparing with torch")
        parity = compare_with_torch(model, onnx_file, choosing, params, model_params.device)
        bar.update()
        offer = offer_precisions(
            onnx_file,
            choosing,
            task,
            len(label_map["labels"]),
            calibration["temperature"],
            params,
            say,
        )
        bar.update()
    scores, rows = headline_scores(metrics), _rows_by_split(token_ids)
    runtime = {
        "task": task.name,
        "max_length": int(max_length["max_length"]),
        "truncation": max_length.get("truncation", "head"),
        "engines": offer.engines,
    }
    card = write_model_card(
        task=task,
        labels=label_map["labels"],
        profile=checkpoint_profile,
        runtime=runtime,
        temperature=calibration["temperature"],
        rows=rows,
        metrics=metrics,
        version=__version__,
    )
    files: dict[str, bytes | Path] = {
        "model.onnx": onnx_file,
        **offer.files,
        "tokenizer.json": _json(tokenizer),
        "labels.json": _json({"labels": label_map["labels"]}),
        "text.json": _json(text_settings),
        "calibration.json": _json({"temperature": calibration["temperature"]}),
        "model_card.md": card.encode(),
    }
    facts = {
        "precisions": offer.measured,
        "opset": params.opset,
        "checkpoint": {key: checkpoint_profile.get(key) for key in ("source", "revision")},
        "rows": rows,
        "training": finetuning_report["settings"] | {"code": _training_code()},
        "versions": {"wenliu": __version__, **_installed_versions()},
        "metrics": scores,
        "parity": parity,
    }
    return {**files, "manifest.json": build_manifest(files, runtime=runtime, facts=facts)}


def compare_with_torch(
    model: Path, onnx_file: Path, token_ids: Table, params: ExportParams, device: str
) -> dict[str, Any]:
    """Logits of the ONNX model against torch's on ``device``, over rows of test and validation.

    Returns:
        ``rows``, ``max_abs_logit_difference``, ``same_labels`` (a share) and the tolerance.

    Raises:
        UserError: When they differ by more than ``parity_tolerance``.
    """
    import numpy as np

    from wenliu.pipelines.export.rows import spread_rows
    from wenliu.serving.cpu import available_cores
    from wenliu.serving.engines import OnnxRuntimeEngine
    from wenliu.serving.runtime import Runtime
    from wenliu.training.prediction import predict_logits

    rows = spread_rows(token_ids, ["validation", "test"], params.parity_rows)
    if not rows.gold.size:
        rows = spread_rows(token_ids, ["train"], params.parity_rows)
    by_torch = predict_logits(model, rows.flat, rows.offsets, device=device)
    runtime = Runtime(OnnxRuntimeEngine(onnx_file.read_bytes()), threads=available_cores())
    by_onnx = runtime.logits(rows.flat, rows.offsets)
    difference = float(np.abs(by_torch - by_onnx).max())
    if not difference <= params.parity_tolerance:  # a NaN is not below anything
        raise UserError(
            f"The ONNX model is not the trained one: a logit differs by {difference:.3g}.",
            where=f"{len(by_torch)} rows, tolerance {params.parity_tolerance:g}",
            remedy="Report this with the versions of torch and onnxruntime; a checkpoint with "
            "huge weights may need a larger export.parity_tolerance.",
        )
    return {
        "rows": len(by_torch),
        "max_abs_logit_difference": difference,
        "same_labels": float((by_torch.argmax(1) == by_onnx.argmax(1)).mean()),
        "tolerance": params.parity_tolerance,
    }


def verify_bundle(
    bundle: Path,
    examples: Table,
    audited_examples: Table,
    predictions: Table,
    params: ExportParams,
) -> dict[str, Any]:
    """Recomputes the test score from raw text, through nothing but the runtime.

    Uses the validation rows where there is no test. Gate and audit rows of a frozen problem are
    scored and decide nothing: then validation and fresh rows do.

    Returns:
        ``export_report``: ``parity`` (ONNX against torch), ``raw_path`` (runtime against
        evaluation), ``engines`` (what was chosen), ``precisions`` (what was measured and why it is
        offered or not), the bundle's sha256, size and files.

    Raises:
        UserError: When cleaning or predictions are not those of training and evaluation.
    """
    from wenliu.pipelines.export.raw_path import compare_with_evaluation
    from wenliu.serving.bundle import Bundle
    from wenliu.serving.engines import has_openvino

    loaded = Bundle.load(bundle, engine="onnxruntime", precision="fp32")
    manifest = loaded.manifest
    served = [
        Bundle.load(bundle, verify=False, engine=engine)
        for engine, says in manifest["runtime"]["engines"].items()
        if (engine, says["chosen"]) != ("onnxruntime", "fp32")
        and (engine != "openvino" or has_openvino())
    ]
    return {
        "bundle_sha256": loaded.sha256,
        "bytes": sum(file["size"] for file in manifest["files"].values()),
        "files": manifest["files"],
        "engines": manifest["runtime"]["engines"],
        "precisions": manifest["precisions"],
        "parity": manifest["parity"],
        "raw_path": compare_with_evaluation(
            loaded, served, examples, audited_examples, predictions, params.parity_tolerance
        ),
        "metrics": manifest["metrics"],
        "warnings": [
            f"{found['precision']} by {found['engine']} is not in the bundle: {found['why']}."
            for found in manifest["precisions"]
            if found["why"].startswith("failed")
        ],
    }


def register_model(bundle: Path, export_report: dict, params: ExportParams) -> dict[str, Any]:
    """What the model registry is to keep: the verified bundle, described in a sentence."""
    raw = export_report["raw_path"]
    return {
        "bundle": bundle if params.register_model else None,
        "metrics": export_report["metrics"],
        "description": f"Accuracy {raw['accuracy']:.4f} on {raw['rows']} {raw['split']} rows, "
        f"recomputed from raw text. Bundle {export_report['bundle_sha256'][:12]}.",
    }


def _refuse_two_files(onnx_file: Path) -> None:
    if onnx_file.with_name(f"{onnx_file.name}.data").exists():
        raise UserError(
            "The model is too large for one ONNX file (2 GB), and a bundle keeps weights inside.",
            where=str(onnx_file),
            remedy="Choose a smaller checkpoint.",
        )


def _rows_by_split(token_ids: Table) -> dict[str, int]:
    """Training rows are those that the audit left in training."""
    import pyarrow.compute as pc

    rows = {}
    for split in ("train", "validation", "test"):
        chosen = pc.equal(token_ids["split"], split)
        if split == "train":
            chosen = pc.and_(chosen, pc.is_null(token_ids["dropped"]))
        if count := pc.sum(chosen).as_py():
            rows[split] = int(count)
    return rows


def _training_code() -> str:
    """Identifies the code that a model is trained with, so that two models can be told apart."""
    from wenliu.code import code_of
    from wenliu.pipelines.finetuning.nodes import fit_model

    return hashlib.sha256(_json(code_of(fit_model))).hexdigest()[:12]


def _installed_versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in _VERSIONS}


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, allow_nan=False)
    return (text + "\n").encode()
