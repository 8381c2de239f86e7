from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from wenliu.errors import UserError
from wenliu.modeling.device import choose_precision, find_device
from wenliu.modeling.doctor import examine
from wenliu.modeling.network import build_model, load_model, save_model
from wenliu.modeling.onnx_export import INPUTS, export_onnx

LABELS = ["退款", "物流", "其他"]
IDS = torch.tensor([[2, 8, 9, 10, 3], [2, 8, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@torch.inference_mode()
def logits_of(model):
    return model.eval()(input_ids=IDS, attention_mask=MASK).logits


def build(choose, folder=None, vocab_size=58, **size):
    params = choose(folder or "scratch", **size)
    profile = examine(folder, params)
    return build_model(
        profile, head="sequence", labels=LABELS, vocab_size=vocab_size, params=params
    )


def test_scratch_is_the_same_for_one_seed_and_comes_back(choose, tmp_path):
    model = build(choose)
    assert torch.equal(logits_of(model), logits_of(build(choose)))
    save_model(model, tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {"config.json", "model.safetensors"}
    assert torch.equal(logits_of(model), logits_of(load_model(tmp_path)))
    config = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert list(config["id2label"].values()) == LABELS


@pytest.mark.parametrize("names", ["as saved", "old layer norms", "without prefix"])
def test_checkpoint_weights_arrive(choose, make_checkpoint, names):
    """The hub's old checkpoints call LayerNorm's weights gamma and beta."""

    def rename(name):
        if names == "old layer norms":
            name = name.replace("LayerNorm.weight", "LayerNorm.gamma")
            name = name.replace("LayerNorm.bias", "LayerNorm.beta")
        return name.removeprefix("bert.") if names == "without prefix" else name

    from safetensors.torch import load_file

    folder = make_checkpoint(rename=rename, head=names != "without prefix")
    stored = load_file(folder / "model.safetensors")
    model = build(choose, folder).bert
    for name, tensor in model.state_dict().items():
        if name.startswith("pooler"):
            continue
        key = rename(f"bert.{name}")
        assert torch.equal(tensor, stored[key]), name


def test_a_checkpoint_that_lacks_weights_is_refused(choose, make_checkpoint):
    folder = make_checkpoint(rename=lambda k: k.replace("layer.1.", "layer.7."))
    with pytest.raises(UserError, match="not in the checkpoint"):
        build(choose, folder)


def test_a_tokenizer_larger_than_the_weights_is_refused(choose, make_checkpoint):
    with pytest.raises(UserError, match="tokens"):
        build(choose, make_checkpoint(), vocab_size=10_000)


def test_heads_must_divide_the_width(choose):
    with pytest.raises(UserError, match="heads"):
        build(choose, heads=3)


def test_device_and_precision():
    assert find_device("cpu").type == "cpu"
    assert find_device("auto").type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(UserError, match=r"'cuda:7' is not available .* which has cpu"):
            find_device("cuda:7")
    assert choose_precision("auto", torch.device("cpu"), 128) == "fp32"
    assert choose_precision("bf16", torch.device("cpu"), 128) == "bf16"


def test_onnx_agrees_with_torch_at_any_shape(choose, tmp_path, capsys):
    """Reliability 28: logits within 1e-3 in fp32."""
    import onnxruntime

    model = build(choose)
    save_model(model, tmp_path / "model")
    export_onnx(tmp_path / "model", tmp_path / "bundle" / "model.onnx")
    assert [p.name for p in (tmp_path / "bundle").iterdir()] == ["model.onnx"]
    assert capsys.readouterr().out == ""
    session = onnxruntime.InferenceSession(tmp_path / "bundle" / "model.onnx")
    assert tuple(i.name for i in session.get_inputs()) == INPUTS
    generator = np.random.default_rng(0)
    for rows, tokens in ((1, 1), (1, 2), (1, 64), (3, 7), (5, 64), (40, 3)):
        ids = generator.integers(5, 58, (rows, tokens))
        mask = np.ones_like(ids)
        mask[1:, tokens // 2 + 1 :] = 0
        (found,) = session.run(
            ["logits"],
            {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)},
        )
        with torch.inference_mode():
            expected = model.eval()(
                input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
            ).logits
        assert found.shape == (rows, 3)
        assert np.abs(found - expected.numpy()).max() <= 1e-3
