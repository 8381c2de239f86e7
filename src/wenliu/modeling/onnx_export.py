"""A saved classifier as one ONNX file with dynamic batch and length."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from wenliu.modeling.network import load_model

INPUTS = ("input_ids", "attention_mask", "token_type_ids")

#: A protocol buffer holds 2 GiB; beyond that the weights go into a file beside it.
_SINGLE_FILE_BYTES = 1_900_000_000


class _Logits(torch.nn.Module):
    """The classifier as a function of three tensors to logits."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor
    ) -> torch.Tensor:
        return self.model(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).logits


def export_onnx(model_folder: Path, target: Path, opset: int = 20) -> None:
    """Writes ``target`` from a folder that ``save_model`` wrote, in fp32.

    Inputs ``input_ids``, ``attention_mask``, ``token_type_ids``: int64 of shape (rows, tokens),
    any number of rows and 1 to the model's maximum of tokens. Output ``logits``: float32 of shape
    (rows, labels).

    Args:
        model_folder: ``config.json`` and ``model.safetensors``.
        target: The file to write; above 1.9 GB its weights lie in ``<target>.data`` beside it.
        opset: ONNX operator set.
    """
    model = load_model(model_folder)
    # Eager attention: plain matrix products, which onnxruntime's optimizer knows how to fuse.
    model.set_attn_implementation("eager")
    size = sum(p.numel() * p.element_size() for p in model.parameters())
    # Example sizes must be neither 0 nor 1, and unlike each other: torch.export would take them
    # for constants or for one another.
    example = torch.full((3, 7), 5, dtype=torch.int64)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _silence():
        program = torch.onnx.export(
            _Logits(model).eval(),
            (example, torch.ones_like(example), torch.zeros_like(example)),
            input_names=list(INPUTS),
            output_names=["logits"],
            dynamic_shapes={name: {0: "rows", 1: "tokens"} for name in INPUTS},
            opset_version=opset,
            dynamo=True,
            verbose=False,
        )
        assert program is not None
        program.save(target, external_data=size > _SINGLE_FILE_BYTES)


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter prints its progress and warns about its own internals."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
