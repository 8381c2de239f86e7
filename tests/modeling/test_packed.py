"""Packed runs give what padded runs of the stock model give."""

from __future__ import annotations

import copy
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy, scaled_dot_product_attention

from wenliu.modeling import packed
from wenliu.modeling.blocks import block_attention, cut_blocks
from wenliu.modeling.cpu_dropout import dropout
from wenliu.modeling.packed import PackedClassifier, PaddedClassifier, as_classifier
from wenliu.modeling.packed_attention import widen_heads
from wenliu.modeling.packing import IGNORED
from wenliu.training.batches import Rows, TokenDropout, pack

CPU = torch.device("cpu")
SIZE = {
    "vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 620, "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0, "classifier_dropout_prob": 0.0, "num_labels": 3,
    "pad_token_id": 0, "type_vocab_size": 2, "initializer_range": 0.2,
}  # fmt: skip
FAMILIES = {
    "Bert": {},
    "Roberta": {"pad_token_id": 1},
    "Electra": {"embedding_size": 16},
    "Albert": {"embedding_size": 16, "num_hidden_groups": 2, "inner_group_num": 2},
}
#: One token, equal lengths, more than 512, and order that is not by length.
LENGTHS = [1, 7, 7, 601, 30, 2, 1, 55]


def make_model(family, **changes):
    torch.manual_seed(3)
    config = getattr(transformers, f"{family}Config")(**{**SIZE, **FAMILIES[family], **changes})
    model = getattr(transformers, f"{family}ForSequenceClassification")(config)
    for parameter in model.parameters():  # biases and norms too: zeros would hide mistakes
        parameter.data += 0.05 * torch.randn_like(parameter)
    return model.train()


def make_rows(lengths=LENGTHS, seed=0):
    generator = np.random.default_rng(seed)
    flat = generator.integers(5, 60, sum(lengths)).astype(np.int32)
    labels = generator.integers(0, 3, len(lengths))
    return Rows.from_offsets(flat, np.concatenate([[0], np.cumsum(lengths)]), labels)


def padded(model, batch):
    """Inputs of the stock model; where a position is missing, a masked token."""
    input_ids = torch.full((len(batch.lengths), batch.width), model.config.pad_token_id)
    mask = torch.zeros_like(input_ids)
    rows = torch.repeat_interleave(torch.from_numpy(batch.lengths))
    input_ids[rows, batch.positions.long()] = batch.token_ids.long()
    mask[rows, batch.positions.long()] = 1
    return {"input_ids": input_ids, "attention_mask": mask}


@contextmanager
def recorded(layers):
    """Outputs of layers as they run."""
    found = []
    hooks = [
        layer.register_forward_hook(lambda module, given, output: found.append(output))
        for layer in dict.fromkeys(layers)
    ]
    yield found
    for hook in hooks:
        hook.remove()


def everything(rows, **options):
    return pack(rows, np.arange(len(rows)), **options)


def gradients(model):
    # A key's bias moves all scores of a query alike: its gradient is nought but for rounding.
    return {n: p.grad for n, p in model.named_parameters() if not n.endswith("key.bias")}


def close(found, expected, tolerance=1e-5):
    assert torch.allclose(found, expected, atol=tolerance, rtol=tolerance), (
        (found - expected).abs().max()
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_hidden_states_loss_and_gradients_equal_a_padded_run(family):
    model, batch = make_model(family), everything(make_rows())
    stock = copy.deepcopy(model)
    layers = packed.FAMILIES[stock.config.model_type].layers(stock.base_model)
    with recorded(layers) as states:
        output = stock(**padded(stock, batch))
    loss = cross_entropy(output.logits, batch.labels)
    loss.backward()

    classifier = PackedClassifier(model)
    with recorded(classifier.family.layers(model.base_model)) as seen:
        logits = classifier(batch)
    close(logits, output.logits)
    packed_loss = cross_entropy(logits, batch.labels)
    close(packed_loss, loss)
    packed_loss.backward()
    for name, gradient in gradients(stock).items():
        close(gradients(model)[name], gradient)

    real = padded(stock, batch)["attention_mask"].bool()
    assert len(seen) == len(layers) - 1
    for state, expected in zip(seen, states[:-1], strict=True):
        close(state[0], expected[real])


@pytest.mark.parametrize("family", FAMILIES)
def test_ten_steps_equal_those_of_a_padded_run(family):
    model = make_model(family)
    stock = copy.deepcopy(model)
    classifier = PackedClassifier(model)
    rows = make_rows([1, 3, 9, 40, 12, 5, 5, 30, 2, 17])
    ours, plain = (torch.optim.AdamW(m.parameters(), lr=1e-3, eps=1e-6) for m in (model, stock))
    for step in range(10):
        batch = pack(rows, np.random.default_rng(step).permutation(10)[:6])
        for optimizer, logits in (
            (ours, classifier(batch)),
            (plain, stock(**padded(stock, batch)).logits),
        ):
            cross_entropy(logits, batch.labels).backward()
            optimizer.step()
            optimizer.zero_grad()
    state = stock.state_dict()
    for name, tensor in model.state_dict().items():
        if not name.endswith("key.bias"):  # AdamW makes steps of its rounding errors
            close(tensor, state[name], 3e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_leaving_tokens_out_is_masking_them(family):
    model = make_model(family)
    stock = copy.deepcopy(model)
    batch = everything(make_rows(), dropout=TokenDropout(0.3, seed=1, epoch=0))
    inputs = padded(stock, batch)
    if family == "Roberta":  # it counts tokens that are not padding: the masked ones are none
        inputs["input_ids"][inputs["input_ids"] == 1] = 5
        inputs["position_ids"] = torch.arange(batch.width)[None] + 2
    cross_entropy(stock(**inputs).logits, batch.labels).backward()
    cross_entropy(PackedClassifier(model)(batch), batch.labels).backward()
    for name, gradient in gradients(stock).items():
        close(gradients(model)[name], gradient)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_checkpoint_is_a_stock_one_and_the_model_still_takes_padded_batches(family, tmp_path):
    model, batch = make_model(family), everything(make_rows())
    names = list(model.state_dict())
    classifier = PackedClassifier(model).eval()
    assert list(model.state_dict()) == names
    model.save_pretrained(tmp_path)
    assert "wenliu" not in (tmp_path / "config.json").read_text()
    loaded = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path)
    with torch.inference_mode():
        expected = classifier(batch)
        close(loaded(**padded(loaded, batch)).logits, expected)
        close(model(**padded(model, batch)).logits, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_static_shape_gives_the_same_loss_and_gradients(family):
    model = make_model(family)
    other = copy.deepcopy(model)
    batch = everything(make_rows([9, 1, 30, 17]))
    static = batch.filled(tokens=128, sequences=9, longest=32)
    assert (static.tokens, len(static.lengths), static.longest) == (128, 9, 32)
    assert static.offsets.tolist() == [0, 9, 10, 40, 57, 71, 85, 99, 113, 128]
    assert static.labels[4:].tolist() == [IGNORED] * 5
    losses = []
    for net, form in ((model, batch), (other, static)):
        logits = PackedClassifier(net)(form)
        losses.append(cross_entropy(logits, form.labels, reduction="sum"))
        losses[-1].backward()
    close(losses[1], losses[0])
    for name, gradient in gradients(model).items():
        close(gradients(other)[name], gradient)
    assert batch.filled(tokens=57, sequences=4, longest=32).offsets.equal(batch.offsets)
    for tokens, sequences in ((56, 9), (61, 9), (58, 4), (90, 5)):
        with pytest.raises(ValueError, match="do not fit"):
            batch.filled(tokens, sequences, longest=32)


@pytest.mark.parametrize(("width", "wide"), [(12, 16), (16, 16)])
def test_heads_widened_by_zeros_attend_alike(width, wide):
    query, key, value = torch.randn(3, 2, 5, width)
    q, k, v = (widen_heads(x) for x in (query, key, value))
    assert q.shape == (2, 5, wide)
    found = scaled_dot_product_attention(q, k, v, scale=width**-0.5)
    close(found[..., :width], scaled_dot_product_attention(query, key, value))


@pytest.mark.parametrize("lengths", [[20, 20], [4, 20, 7]])
def test_attention_dropout_drops_weights_and_keeps_their_mean(lengths):
    torch.manual_seed(0)
    query, key, value = (torch.randn(sum(lengths), 8) for _ in range(3))
    blocks = cut_blocks(np.array(lengths))
    plain = block_attention(query, key, value, blocks, heads=2)
    drawn = torch.stack(
        [block_attention(query, key, value, blocks, heads=2, dropout=0.3) for _ in range(3_000)]
    )
    assert drawn.std(0).min() > 0
    assert ((drawn.mean(0) - plain).abs() < 6 * drawn.std(0) / 3_000**0.5).all()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_blocks_hold_every_sequence_once_and_padding_is_ignored(lengths):
    lengths = np.array(lengths)
    blocks = cut_blocks(lengths)
    assert sum(block.shape[0] for block in blocks) == len(lengths)
    assert sum(block.tokens for block in blocks) == lengths.sum()
    query, key, value = torch.randn(3, lengths.sum(), 6)
    together = block_attention(query, key, value, blocks, heads=3)
    starts = np.cumsum(lengths) - lengths
    first = block_attention(query[starts], key, value, blocks, heads=3, one_query=True)
    close(first, together[starts])
    for start, length in zip(starts, lengths, strict=True):
        own = slice(start, start + length)
        alone = [x[own].view(length, 3, 2).transpose(0, 1) for x in (query, key, value)]
        expected = torch.nn.functional.scaled_dot_product_attention(*alone)
        close(together[own], expected.transpose(0, 1).reshape(length, 6))


@pytest.mark.parametrize("shape", [(7,), (100, 333)])
def test_fast_dropout_is_dropout(shape):
    values = torch.randn(shape, requires_grad=True)
    torch.manual_seed(1)
    found = dropout(values, 0.25)
    kept = found != 0
    close(found, torch.where(kept, values / 0.75, 0.0))
    found.sum().backward()
    close(values.grad, kept / 0.75)
    if len(shape) > 1:
        assert kept.float().mean() == pytest.approx(0.75, abs=0.01)
        assert not torch.equal(dropout(values, 0.25) != 0, kept)
    torch.manual_seed(1)
    assert torch.equal(dropout(values, 0.25), found)


def test_a_model_in_evaluation_stays_so_and_one_in_training_drops():
    options = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), 0.2)
    batch = everything(make_rows([3, 9, 4]))
    for family in FAMILIES:
        model = make_model(family, **options).eval()
        expected = model(**padded(model, batch)).logits
        classifier = PackedClassifier(model)
        close(classifier(batch), expected)
        classifier.train()
        assert not torch.equal(classifier(batch), classifier(batch))
        close(classifier.eval()(batch), expected)


def test_a_family_without_a_packed_path_is_padded_and_the_log_says_so(caplog):
    config = transformers.DebertaV2Config(
        vocab_size=60, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=48, num_labels=3, relative_attention=True, pos_att_type=["p2c", "c2p"],
    )  # fmt: skip
    model = transformers.DebertaV2ForSequenceClassification(config).eval()
    with caplog.at_level("INFO"):
        classifier = as_classifier(model, CPU)
    assert isinstance(classifier, PaddedClassifier) and "no packed path" in caplog.text
    rows = make_rows([3, 9, 4])
    batch = everything(rows)
    with torch.inference_mode():
        close(classifier(batch), model(**padded(model, batch)).logits)
        for i in range(3):
            close(classifier(pack(rows, np.array([i]))), classifier(batch)[i : i + 1])
