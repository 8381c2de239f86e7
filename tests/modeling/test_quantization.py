"""The exported graph, and the same in 8 bits, against torch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForSequenceClassification

from wenliu.modeling.network import save_model
from wenliu.modeling.onnx_export import INPUTS, export_onnx
from wenliu.modeling.quantization import quantize_for_onnxruntime


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A model of one layer, which is the first and the last, in torch and as ONNX."""
    folder = tmp_path_factory.mktemp("exported")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=80, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=64, num_labels=3, initializer_range=0.3,
    )  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    save_model(model, folder / "model")
    export_onnx(folder / "model", folder / "model.onnx")
    return model, folder


def pairs(rows: int, tokens: int) -> dict[str, np.ndarray]:
    """Two sentences a row, the rows padded to the longest."""
    generator = np.random.default_rng(tokens)
    lengths = np.sort(generator.integers(1, tokens + 1, rows))[::-1]
    place = np.arange(tokens)[None, :]
    mask = (place < np.maximum(lengths, 1)[:, None]).astype(np.int64)
    mask[0] = 1
    ids = generator.integers(5, 80, (rows, tokens)) * mask
    return dict(zip(INPUTS, (ids, mask, (place >= tokens // 2) * mask), strict=True))


def run(path, feed) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(path).run(None, feed)[0]


@pytest.mark.parametrize(("rows", "tokens"), [(1, 1), (7, 9), (3, 64)])
def test_one_layer_pairs_and_padding(exported, rows, tokens):
    model, folder = exported
    feed = pairs(rows, tokens)
    with torch.inference_mode():
        expected = model(**{name: torch.from_numpy(value) for name, value in feed.items()}).logits
    assert np.abs(run(folder / "model.onnx", feed) - expected.numpy()).max() < 1e-5


@pytest.mark.parametrize("reduce_range", [False, True])
def test_8_bits_are_smaller_and_nearly_the_same(exported, capfd, reduce_range):
    _, folder = exported
    target = folder / f"model.{reduce_range}.onnx"
    quantize_for_onnxruntime(folder / "model.onnx", target, reduce_range=reduce_range)
    feed = pairs(20, 30)
    expected = run(folder / "model.onnx", feed)
    difference = np.abs(run(target, feed) - expected).max()
    assert 0 < difference < 0.05 * np.abs(expected).max()
    assert capfd.readouterr() == ("", "")
