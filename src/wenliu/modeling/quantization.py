"""An exported fp32 model in 8 bits: for onnxruntime, and for OpenVINO."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def quantize_for_onnxruntime(source: Path, target: Path, *, reduce_range: bool) -> None:
    """Weights to 8 bits, one scale for each output channel; activations as they come at run time.

    Needs no data. The scale of an activation is that of its batch, so that a row's logits move a
    little with the rows it is batched with.

    Args:
        source: From ``export_onnx``.
        target: The file to write, about a quarter of the size.
        reduce_range: Weights to 7 bits, for processors whose 8-bit products saturate.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load(source)
    # The exporter's shapes name dimensions that quantisation renames: inference would refuse them.
    del model.graph.value_info[:]
    with _errors_only(logging.getLogger()):
        quantize_dynamic(
            model,
            target,
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            extra_options={
                # Of tensors behind an operator that ONNX does not know: attention.
                "DefaultTensorType": onnx.TensorProto.FLOAT,
                # Products of two activations would lose accuracy and gain nothing.
                "MatMulConstBOnly": True,
            },
        )


def quantize_for_openvino(
    source: Path, target: Path, feeds: Sequence[Mapping[str, np.ndarray]]
) -> None:
    """Post-training quantisation by NNCF: weights and activations to 8 bits, with fixed scales.

    Args:
        source: From ``export_onnx``.
        target: An ``.xml``; the weights lie in the ``.bin`` beside it.
        feeds: Batches of real rows, by the model's inputs, on which activations are measured.
    """
    # NNCF draws its progress bars on standard output.
    with _errors_only(logging.getLogger("nncf")), contextlib.redirect_stdout(io.StringIO()):
        import nncf
        import openvino as ov

        nncf.set_log_level(logging.ERROR)
        quantized: Any = nncf.quantize(
            ov.Core().read_model(source),
            nncf.Dataset(list(feeds)),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(feeds),
        )
        # The libraries number their nodes throughout a process: the same model quantised twice
        # would not be the same file.
        for number, node in enumerate(quantized.get_ordered_ops()):
            node.set_friendly_name(f"{node.get_type_name()}_{number}")
        ov.save_model(quantized, target, compress_to_fp16=False)


@contextlib.contextmanager
def _errors_only(logger: logging.Logger) -> Iterator[None]:
    """Both libraries recommend preparations that were measured to change nothing here."""
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
