from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from wenliu.errors import UserError
from wenliu.modeling.doctor import examine, vocabulary_of

KEYS = {
    "source", "revision", "path", "model_class", "vocab_size", "vocab_sha256", "lowercase",
    "declared_lowercase", "max_positions", "has_mlm_head", "parameters", "hidden_size", "layers",
    "learning_rate", "vocabulary_lacks", "knows_traditional", "vocab_file", "findings",
}  # fmt: skip


def test_scratch(choose):
    profile = examine(None, choose())
    assert set(profile) == KEYS
    assert profile["lowercase"] and profile["path"] is None
    assert vocabulary_of(profile) is None
    assert profile["vocabulary_lacks"]["punctuation"]["“"] == '"'
    json.dumps(profile)


def test_casing_is_corrected_against_the_vocabulary(make_checkpoint, choose):
    folder = make_checkpoint(tokenizer_config={"do_lower_case": False})
    profile = examine(folder, choose(folder))
    assert set(profile) == KEYS
    assert profile["declared_lowercase"] is False and profile["lowercase"] is True
    assert any("no capital letter" in finding for finding in profile["findings"])
    json.dumps(profile)


def test_a_cased_vocabulary_keeps_case(make_checkpoint, choose):
    from wenliu.text.vocabulary import SPECIAL_TOKENS

    folder = make_checkpoint(
        vocabulary=[*SPECIAL_TOKENS, "快", "ABC", "##d"], tokenizer_config={"do_lower_case": True}
    )
    profile = examine(folder, choose(folder))
    assert profile["lowercase"] is False
    assert any("case is kept" in finding for finding in profile["findings"])


def test_lacking_punctuation_and_traditional(make_checkpoint, choose):
    profile = examine(make_checkpoint(), choose())
    lacks = profile["vocabulary_lacks"]["punctuation"]
    assert lacks == {"“": '"', "”": '"', "‘": "'", "’": "'", "—": "-", "―": "-", "–": "-"}
    assert "…" not in lacks  # this vocabulary has it
    assert profile["knows_traditional"]
    assert "快" in vocabulary_of(profile)


def test_roberta_by_name_is_bert_by_weights(make_checkpoint, choose):
    folder = make_checkpoint(
        name="chinese-roberta-wwm-ext", config={"architectures": ["RobertaForMaskedLM"]}
    )
    profile = examine(folder, choose(folder))
    assert profile["model_class"] == "bert"
    assert any("BERT's classes" in finding for finding in profile["findings"])


def test_other_architectures_are_refused(make_checkpoint, choose):
    folder = make_checkpoint(
        config={"model_type": "electra"}, rename=lambda k: k.replace("bert.", "electra.")
    )
    with pytest.raises(UserError, match="not BERT's"):
        examine(folder, choose(folder))


def test_head_and_size(make_checkpoint, choose):
    with_head = examine(make_checkpoint("a"), choose())
    without = examine(make_checkpoint("b", head=False), choose())
    assert with_head["has_mlm_head"] and not without["has_mlm_head"]
    assert with_head["parameters"] > without["parameters"] > 10_000
    assert without["learning_rate"] == 1e-4  # a small model
    assert without["max_positions"] == 64


def test_more_tokens_than_weights(make_checkpoint, choose):
    folder = make_checkpoint()
    (folder / "vocab.txt").open("a", encoding="utf-8").write("新\n")
    with pytest.raises(UserError, match="only"):
        examine(folder, choose(folder))


def test_truncated_weights(make_checkpoint, choose):
    folder = make_checkpoint()
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:2000])
    with pytest.raises(UserError, match="cannot be read"):
        examine(folder, choose(folder))


def test_the_real_vocabulary(make_checkpoint, choose):
    """bert-base-chinese's vocabulary: lower-cased, no curly quotes, knows traditional."""
    file = _shared_data() / "vocab" / "bert-base-chinese.vocab.txt"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    tokens = file.read_text("utf-8").removesuffix("\n").split("\n")
    folder = make_checkpoint(vocabulary=tokens, tokenizer_config={"do_lower_case": False})
    profile = examine(folder, choose(folder))
    assert profile["vocab_size"] == 21_128
    assert profile["lowercase"] and profile["knows_traditional"]
    assert set(profile["vocabulary_lacks"]["punctuation"]) == set("“”‘’…—―–")
    assert all(profile["vocabulary_lacks"]["punctuation"].values())


def _shared_data() -> Path:
    default = Path(__file__).parents[3] / "shared" / "data"
    return Path(os.environ.get("WENLIU_BENCH_DATA", default))
