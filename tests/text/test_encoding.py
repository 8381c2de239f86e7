from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.encoding import BATCH_ROWS, encode, encode_pairs, load_tokenizer, token_counts
from wenliu.text.fast_tokenizer import FastTokenizer
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
    expected = [encoding.ids for encoding in TOKENIZER.plain.encode_batch(TEXTS)]
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
    whole = rows([TEXTS[0]])[0][1:-1]
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


@given(
    st.lists(st.text("快递 g😂,", max_size=30), min_size=1, max_size=4),
    st.integers(3, 12),
    st.sampled_from(["head", "tail", "head_tail"]),
)
def test_truncation_keeps_the_stated_tokens(texts, max_length, truncation):
    room = max_length - 2
    head = {"head": room, "tail": 0, "head_tail": room // 4}[truncation]
    for ids, whole in zip(rows(texts, max_length, truncation), rows(texts), strict=True):
        inner = whole[1:-1]
        if len(inner) > room:
            inner = inner[:head] + inner[len(inner) - (room - head) :]
        assert ids == [CLS, *inner, SEP]


def test_token_counts_are_without_special_tokens_and_uncut():
    texts = [*TEXTS, "", "快" * 3000] * 400
    counts = token_counts(TOKENIZER, texts)
    assert counts.tolist() == [len(row) - 2 for row in rows(texts, 10_000)]
    assert token_counts(TOKENIZER, []).tolist() == []


@given(
    st.lists(st.tuples(st.text("快g ,", max_size=15), st.text("快g ,", max_size=15)), max_size=6),
    st.integers(5, 25),
)
def test_pairs_are_those_of_hugging_face(pairs, max_length):
    plain = load_tokenizer(json.loads(TOKENIZER.plain.to_str())).plain
    plain.enable_truncation(max_length, strategy="longest_first")
    expected = plain.encode_batch(pairs)
    firsts, seconds = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    found = encode_pairs(TOKENIZER, firsts, seconds, max_length)
    assert len(found.offsets) == len(pairs) + 1
    for row, (start, end) in zip(expected, pairwise(found.offsets), strict=True):
        assert found.ids[start:end].tolist() == row.ids
        assert found.token_types[start:end].tolist() == row.type_ids
        assert list(map(tuple, found.spans[start:end].tolist())) == row.offsets


def test_more_pairs_than_a_batch():
    firsts, seconds = TEXTS * BATCH_ROWS, TEXTS[::-1] * BATCH_ROWS
    few, many = (
        encode_pairs(TOKENIZER, TEXTS, TEXTS[::-1], 20),
        encode_pairs(TOKENIZER, firsts, seconds, 20),
    )
    assert many.ids.tolist() == few.ids.tolist() * BATCH_ROWS
    assert np.diff(many.offsets).tolist() == np.diff(few.offsets).tolist() * BATCH_ROWS


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
    with pytest.raises(ValueError, match="max_length"):
        encode_pairs(TOKENIZER, ["快"], ["递"], 4)
    with pytest.raises(ValueError, match="2 second texts"):
        encode_pairs(TOKENIZER, ["快"], ["递", "快"], 9)
    with pytest.raises(ValueError, match=r"\[SEP\]"):
        wordpiece_tokenizer(["[PAD]", "[UNK]", "[CLS]", "[MASK]"], lowercase=True)


def test_agrees_with_transformers_bert_tokenizer_on_a_plain_text():
    tokenizer = wordpiece_tokenizer([*SPECIAL_TOKENS, "快", "ab", "##c", ","], lowercase=False)
    flat, _ = encode(FastTokenizer(tokenizer), ["快abc,AB"], 20)
    assert [tokenizer.id_to_token(i) for i in flat] == [
        "[CLS]", "快", "ab", "##c", ",", "[UNK]", "[SEP]",
    ]  # fmt: skip
