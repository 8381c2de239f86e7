"""Engines: what computes logits from padded token ids. onnxruntime, or OpenVINO where installed.

An engine computes one batch on one core and may be called from several threads at once. Batches
side by side on a core each need 8 to 10 % less processor time than every batch on all cores
(bert-base, int8, two cores): no thread waits for another within a layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from queue import SimpleQueue
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]


class Engine(Protocol):
    """A loaded model.

    Attributes:
        inputs: Names of the model's inputs, of ``input_ids``, ``attention_mask``,
            ``token_type_ids``.
        outputs: Logits of one row.
        batch_tokens: Padded tokens of a batch at which this engine is fastest.
    """

    batch_tokens: ClassVar[int]
    inputs: tuple[str, ...]
    outputs: int

    def run(self, feed: Mapping[str, Ids]) -> NDArray[np.float32]:
        """Logits of shape (rows, outputs) for inputs of shape (rows, tokens)."""
        ...


class OnnxRuntimeEngine:
    """One onnxruntime session that several threads share.

    Args:
        model: The content of the ONNX file. Bytes and not a path: what was verified is loaded.
    """

    batch_tokens: ClassVar[int] = 256

    def __init__(self, model: bytes) -> None:
        import onnxruntime as ort

        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        # Without this, bytes that start like onnxruntime's own format would skip the ONNX parser.
        options.add_session_config_entry("session.load_model_format", "ONNX")
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.inputs = tuple(given.name for given in self._session.get_inputs())
        self.outputs = int(self._session.get_outputs()[0].shape[-1])

    def run(self, feed: Mapping[str, Ids]) -> NDArray[np.float32]:
        """Logits of one batch."""
        return np.asarray(self._session.run(None, dict(feed))[0], dtype=np.float32)


class OpenVinoEngine:
    """One compiled model with a stream, and a request, for each thread.

    Args:
        model: The content of the ONNX file, or of OpenVINO's own ``.xml``.
        weights: Of the ``.bin`` that belongs to an ``.xml``.
        bf16: Compute in bfloat16.
        threads: That will call at once.
    """

    batch_tokens: ClassVar[int] = 512

    def __init__(self, model: bytes, weights: bytes | None, *, bf16: bool, threads: int) -> None:
        import openvino as ov

        core = ov.Core()
        network = core.read_model(model) if weights is None else core.read_model(model, weights)
        compiled = core.compile_model(
            network,
            "CPU",
            {
                "NUM_STREAMS": str(threads),
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": "bf16" if bf16 else "f32",
                # Pinned threads would fight over a core with whatever else runs there.
                "ENABLE_CPU_PINNING": False,
            },
        )
        self.inputs = tuple(given.get_any_name() for given in compiled.inputs)
        self.outputs = compiled.output(0).get_partial_shape()[-1].get_length()
        # The model refers to these bytes, and does not keep them alive.
        self._weights = weights
        self._requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(threads):
            self._requests.put(compiled.create_infer_request())
        # The first conversions from and to numpy fill static tables of the bindings (2026.4), and
        # two threads that come first at once wait for each other for ever: guard against GIL.
        self.run({name: np.ones((1, 2), dtype=np.int64) for name in self.inputs})

    def run(self, feed: Mapping[str, Ids]) -> NDArray[np.float32]:
        """Logits of one batch; waits while ``threads`` others are being computed."""
        request = self._requests.get()
        try:
            request.infer(dict(feed), share_inputs=True)
            return np.array(request.get_output_tensor(0).data, dtype=np.float32)
        finally:
            self._requests.put(request)


def has_openvino() -> bool:
    """Whether the extra ``openvino`` is installed; nothing is imported."""
    return find_spec("openvino") is not None
