from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.encoding import BATCH_ROWS, encode, load_tokenizer, token_rows
from wenliu.text.vocabulary import SPECIAL_TOKENS, build_character_tokenizer, wordpiece_tokenizer

TEXTS = ["快递三天没动静，客服也不回", "快递三天到了，very good!", "客服回得快 ok ok", "😂😂快快"]
TOKENIZER = load_tokenizer(json.loads(build_character_tokenizer(TEXTS, min_count=1).to_str()))
CLS, SEP = (TOKENIZER.token_to_id(token) for token in ("[CLS]", "[SEP]"))


def rows(texts, max_length=512, truncation="head"):
    flat, offsets = encode(TOKENIZER, texts, max_length, truncation)
    assert flat.dtype == np.int32 and offsets.dtype == np.int64
    return [flat[a:b].tolist() for a, b in pairwise(offsets)]


def tokens(text):
    return [TOKENIZER.id_to_token(i) for i in rows([text])[0]]


def test_special_tokens_have_the_first_ids():
    assert [TOKENIZER.token_to_id(token) for token in SPECIAL_TOKENS] == [0, 1, 2, 3, 4]


def test_vocabulary_does_not_depend_on_the_order_of_rows():
    assert (
        build_character_tokenizer(TEXTS).to_str() == build_character_tokenizer(TEXTS[::-1]).to_str()
    )


def test_rare_characters_are_left_out():
    kept = build_character_tokenizer(TEXTS, min_count=2).get_vocab()
    assert "快" in kept and "静" not in kept


def test_characters_words_and_emoji():
    assert tokens("快递 GOOD😂") == ["[CLS]", "快", "递", "g", "##o", "##o", "##d", "##😂", "[SEP]"]


def test_same_ids_as_plain_tokenizers_with_special_tokens():
    expected = [encoding.ids for encoding in TOKENIZER.encode_batch(TEXTS)]
    assert rows(TEXTS) == expected


def test_empty_and_blank_texts_are_cls_sep():
    assert rows(["", " \u200b"]) == [[CLS, SEP], [CLS, SEP]]
    assert rows([]) == []


def test_more_rows_than_a_batch():
    texts = [TEXTS[i % 4] for i in range(BATCH_ROWS + 3)]
    assert rows(texts) == [rows([TEXTS[i % 4]])[0] for i in range(len(texts))]


@pytest.mark.parametrize("special", SPECIAL_TOKENS)
def test_literal_special_tokens_stay_text(special):
    ids = rows([f"快{special}递"])[0]
    assert (ids[0], ids[-1]) == (CLS, SEP)
    forbidden = {TOKENIZER.token_to_id(t) for t in SPECIAL_TOKENS if t != "[UNK]"}
    assert not forbidden & set(ids[1:-1])


def test_lone_surrogates_do_not_crash():
    assert rows(["快\ud800递"]) == rows(["快递"])


def test_truncation():
    whole = token_rows(TOKENIZER, [TEXTS[0]])[0]
    assert rows([TEXTS[0]], 10)[0] == [CLS, *whole[:8], SEP]
    assert rows([TEXTS[0]], 10, "tail")[0] == [CLS, *whole[-8:], SEP]
    assert rows([TEXTS[0]], 10, "head_tail")[0] == [CLS, *whole[:2], *whole[-6:], SEP]


@given(
    st.lists(st.text(max_size=60), max_size=5),
    st.integers(3, 40),
    st.sampled_from(["head", "tail", "head_tail"]),
)
def test_any_text_has_a_defined_result(texts, max_length, truncation):
    for ids, whole in zip(rows(texts, max_length, truncation), rows(texts, 10_000), strict=True):
        assert (ids[0], ids[-1]) == (CLS, SEP)
        assert len(ids) == min(len(whole), max_length)
        if len(whole) <= max_length:
            assert ids == whole


def test_settings_stored_in_the_file_do_not_matter(tmp_path):
    changed = build_character_tokenizer(TEXTS, min_count=1)
    changed.enable_padding(length=50)
    changed.enable_truncation(4)
    changed.save(str(tmp_path / "tokenizer.json"))
    flat, _ = encode(load_tokenizer(tmp_path / "tokenizer.json"), TEXTS, 512)
    assert flat.tolist() == [i for row in rows(TEXTS) for i in row]


def test_bad_arguments():
    with pytest.raises(ValueError, match="truncation"):
        encode(TOKENIZER, ["快"], 10, "middle")
    with pytest.raises(ValueError, match="max_length"):
        encode(TOKENIZER, ["快"], 2)
    with pytest.raises(ValueError, match=r"\[SEP\]"):
        wordpiece_tokenizer(["[PAD]", "[UNK]", "[CLS]", "[MASK]"], lowercase=True)


def test_agrees_with_transformers_bert_tokenizer_on_a_plain_text():
    tokenizer = wordpiece_tokenizer([*SPECIAL_TOKENS, "快", "ab", "##c", ","], lowercase=False)
    flat, _ = encode(tokenizer, ["快abc,AB"], 20)
    assert [tokenizer.id_to_token(i) for i in flat] == [
        "[CLS]", "快", "ab", "##c", ",", "[UNK]", "[SEP]",
    ]  # fmt: skip
