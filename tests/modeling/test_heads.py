"""A head that grows keeps the classes it has learnt."""

from __future__ import annotations

import json

import pytest
import torch

from wenliu.modeling.checkpoint import check_folder
from wenliu.modeling.doctor import examine
from wenliu.modeling.heads import grow_checkpoint
from wenliu.modeling.network import build_model, load_model, save_model
from wenliu.text.vocabulary import build_character_tokenizer

LABELS = ["退款", "物流", "其他"]
IDS = torch.tensor([[2, 8, 9, 10, 3], [2, 8, 3, 0, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


@pytest.fixture
def trained(choose, tmp_path):
    """A version of `model` as finetuning writes it, from random weights, with large logits."""
    folder = tmp_path / "model"
    tokenizer = build_character_tokenizer(["快递三天没动静客服也不回"], 1)
    params = choose("scratch")
    model = build_model(
        examine(None, params),
        head="sequence",
        labels=LABELS,
        vocab_size=tokenizer.get_vocab_size(),
        params=params,
    )
    with torch.no_grad():
        model.classifier.weight.normal_()
        model.classifier.bias.normal_()
    save_model(model, folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 64}))
    return folder


def build(choose, folder, labels):
    params = choose(folder)
    check_folder(folder, str(folder))
    profile = examine(folder, params)
    return build_model(
        profile, head="sequence", labels=labels, vocab_size=profile["vocab_size"], params=params
    )


@torch.inference_mode()
def logits_of(model):
    return model.eval()(input_ids=IDS, attention_mask=MASK).logits


def test_a_checkpoint_of_the_first_labels_keeps_its_head(choose, trained):
    before, after = load_model(trained), build(choose, trained, [*LABELS, "发票"])
    assert torch.equal(after.classifier.weight[:3], before.classifier.weight)
    assert torch.equal(after.classifier.bias[:3], before.classifier.bias)
    # A matrix product of another width may add in another order: to the last bits.
    torch.testing.assert_close(logits_of(after)[:, :3], logits_of(before), rtol=0, atol=1e-5)
    assert logits_of(after)[:, 3].abs().max() < 0.5 < logits_of(before).abs().max()
    assert after.num_labels == after.config.num_labels == 4
    assert list(after.config.id2label.values()) == [*LABELS, "发票"]


def test_a_grown_checkpoint_is_one_to_start_from(choose, trained, tmp_path):
    target = tmp_path / "grown"
    target.mkdir()
    grow_checkpoint(trained, [*LABELS, "发票"], target)
    before, after = load_model(trained), build(choose, target, [*LABELS, "发票"])
    assert torch.equal(after.classifier.weight[:3], before.classifier.weight)
    for name, weights in before.bert.state_dict().items():
        assert torch.equal(weights, after.bert.state_dict()[name]), name
    assert torch.equal(logits_of(after), logits_of(load_model(target)))
    profile = examine(target, choose(target))
    assert profile["lowercase"] is True  # as the tokenizer of a scratch model is


@pytest.mark.parametrize("labels", [["物流", "退款", "其他"], ["甲", "乙"], [*LABELS[:2]]])
def test_a_head_of_other_labels_is_drawn_anew(choose, trained, labels):
    before, after = load_model(trained), build(choose, trained, labels)
    assert after.classifier.weight.shape == (len(labels), 32)
    assert after.classifier.weight.abs().max() < 0.2 < before.classifier.weight.abs().max()
    assert torch.equal(
        after.bert.embeddings.word_embeddings.weight, before.bert.embeddings.word_embeddings.weight
    )


def test_weights_of_another_size_are_refused(choose, trained):
    from wenliu.errors import UserError

    config = json.loads((trained / "config.json").read_text("utf-8"))
    config["intermediate_size"] = 48
    (trained / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="have another size"):
        build(choose, trained, LABELS)
