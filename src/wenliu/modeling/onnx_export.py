"""A saved classifier as one ONNX file with dynamic batch and length.

Two things make the graph faster than a plain trace, and change no result: attention is written as
one operator that both onnxruntime and OpenVINO know, instead of as matrix products that an
optimizer would have to recognise; and the last layer computes the first token only, for nothing
else of it is read.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import AttentionInterface, PreTrainedModel
from transformers.masking_utils import AttentionMaskInterface
from transformers.models.bert import BertForSequenceClassification
from transformers.models.bert.modeling_bert import BertLayer

from wenliu.modeling.network import load_model

INPUTS = ("input_ids", "attention_mask", "token_type_ids")

#: A protocol buffer holds 2 GiB; beyond that the weights go into a file beside it.
_SINGLE_FILE_BYTES = 1_900_000_000
_ATTENTION = "onnx_multi_head"


def _multi_head_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor,
    *,
    scaling: float,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as ``com.microsoft::MultiHeadAttention``; query of shape (rows, heads, t, width).

    onnxruntime 1.31 does not find attention in what torch's exporter writes: int8 is 6 % faster
    with the operator than without. OpenVINO reads it as its own scaled dot product.
    """
    rows, heads, tokens, width = query.shape

    def flat(tensor: torch.Tensor) -> torch.Tensor:
        return tensor.transpose(1, 2).reshape(rows, -1, heads * width)

    output = torch.onnx.ops.symbolic(
        "com.microsoft::MultiHeadAttention",
        (flat(query), flat(key), flat(value), None, attention_mask),
        attrs={"num_heads": heads, "scale": float(scaling)},
        dtype=query.dtype,
        shape=(rows, tokens, heads * width),
        version=1,
    )
    return output.reshape(rows, tokens, heads, width), None


def _padding_mask(*_: Any, attention_mask: torch.Tensor, **__: Any) -> torch.Tensor:
    """The operator takes the mask of shape (rows, tokens) itself, as int32."""
    return attention_mask.to(torch.int32)


AttentionInterface.register(_ATTENTION, _multi_head_attention)
AttentionMaskInterface.register(_ATTENTION, _padding_mask)


class _FirstTokenLayer(torch.nn.Module):
    """A layer's output for the first token, from the hidden states of all.

    Keys and values need every token; query, output and the feed-forward part, ten twelfths of the
    layer's products, need one: 7 % of a model of twelve layers, 20 % of one of four.
    """

    def __init__(self, layer: BertLayer) -> None:
        super().__init__()
        self.layer = layer

    def forward(
        self, hidden: torch.Tensor, attention_mask: torch.Tensor, *_: Any, **__: Any
    ) -> torch.Tensor:
        attention: Any = self.layer.attention.self
        first = hidden[:, :1]

        def heads(tensor: torch.Tensor) -> torch.Tensor:
            shape = (hidden.shape[0], -1, attention.num_attention_heads)
            return tensor.view(*shape, attention.attention_head_size).transpose(1, 2)

        attended, _weights = _multi_head_attention(
            attention,
            heads(attention.query(first)),
            heads(attention.key(hidden)),
            heads(attention.value(hidden)),
            attention_mask,
            scaling=attention.scaling,
        )
        residual = self.layer.attention.output(attended.flatten(2), first)
        return self.layer.feed_forward_chunk(residual)


class _Logits(torch.nn.Module):
    """The classifier as a function of three tensors to logits."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        model.set_attn_implementation(_ATTENTION)
        if isinstance(model, BertForSequenceClassification):
            layers: Any = model.bert.encoder.layer
            layers[-1] = _FirstTokenLayer(layers[-1])
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
