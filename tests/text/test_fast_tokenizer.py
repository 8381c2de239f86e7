"""Differential tests: the fast tokenizer against the real one, on whatever Unicode allows."""

from __future__ import annotations

import os
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

from wenliu.text import fast_tokenizer, run_cache
from wenliu.text.fast_tokenizer import FastTokenizer, storable
from wenliu.text.vocabulary import SPECIAL_TOKENS, build_character_tokenizer

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJéßαςσжאا한กो0123456789"
WORDS = [
    "the",
    "##ing",
    "快",
    "递",
    "中",
    "文",
    "##中",
    "豈",
    "##快",
    "😂",
    "##😂",
    "½",
    "##",
    "a##b",
]
SIGNS = list(",.!?#[]()-_$=，。！？、《》“”…—")
VOCABULARY = [*SPECIAL_TOKENS, *LETTERS, *(f"##{c}" for c in LETTERS), *WORDS, *SIGNS]


def make(tokens=None, **normalizer):
    vocabulary = {token: i for i, token in enumerate(dict.fromkeys(tokens or VOCABULARY))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(**normalizer)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.encode_special_tokens = True
    return tokenizer


TOKENIZERS = {
    "uncased": make(),
    "cased": make(lowercase=False),
    "cased without accents": make(lowercase=False, strip_accents=True),
    "uncased with accents": make(strip_accents=False),
    "Chinese as letters": make(handle_chinese_chars=False),
    "nothing cleaned": make(clean_text=False, handle_chinese_chars=False),
    "character vocabulary": build_character_tokenizer(["快递 good é", "中文，很好！"], 1),
}
if folder := os.environ.get("WENLIU_BENCH_DATA"):
    REAL = Path(folder, "vocab/bert-base-chinese.vocab.txt").read_text("utf-8").split("\n")[:-1]
    TOKENIZERS["bert-base-chinese"] = make(REAL)
#: Kept over all tests, so that what one text taught is used, rightly or not, for the next.
FAST = {name: FastTokenizer(tokenizer) for name, tokenizer in TOKENIZERS.items()}

#: Blocks where code points act on their neighbours, fall away, or become several.
HOSTILE = (
    (0x00, 0x1F), (0x20, 0x7E), (0x7F, 0x17F), (0x300, 0x36F), (0x590, 0x6FF), (0x900, 0x97F),
    (0xE00, 0xE7F), (0xF00, 0xFFF), (0x1100, 0x11FF), (0x1AB0, 0x1AFF), (0x1D00, 0x20FF),
    (0x2190, 0x22FF), (0x2FF0, 0x318F), (0x4E00, 0x4E20), (0xAC00, 0xAC40), (0xD7B0, 0xE00F),
    (0xF900, 0xFFFF), (0x1D100, 0x1D1FF), (0x1F300, 0x1F64F), (0x20000, 0x20010),
    (0x2F800, 0x2FA1F), (0xE0000, 0xE01EF), (0x10FFF0, 0x10FFFF),
)  # fmt: skip
FRAGMENTS = (
    "[SEP]", "[UNK]", "##", "##a", "a##b", "a" * 99, "b" * 101, "é" * 60, "e\u0301" * 101, "\u0345",
    "\u0334", "\u302a", "\u302e", "\U0001d165", "≠", "İ", "ς", "ẛ̣", "\u0f73", "\u0344",
    "👩\u200d👩", "❤\ufe0f", "中", "快递", ",", " ", "\n", "\r\n", "\u2028", "\ud800", "\ufffd",
    "\x00", "\u200b",
)  # fmt: skip

code_points = st.one_of(
    st.sampled_from(HOSTILE).flatmap(lambda block: st.integers(*block)), st.integers(0, 0x10FFFF)
)
hostile_texts = st.lists(st.one_of(code_points.map(chr), st.sampled_from(FRAGMENTS)), max_size=20)
names = st.sampled_from(list(TOKENIZERS))


def assert_equal(plain, fast, texts):
    rows = plain.encode_batch([storable(text) for text in texts], add_special_tokens=False)
    found = fast.tokenize(texts, spans=True)
    ids, spans = found.ids.tolist(), list(map(tuple, found.spans.tolist()))
    assert found.ids.dtype == found.spans.dtype == np.int32 and found.offsets.dtype == np.int64
    assert len(found.offsets) == len(texts) + 1 and found.offsets[-1] == len(ids)
    if [i for row in rows for i in row.ids] != ids or [s for r in rows for s in r.offsets] != spans:
        for text, row, start, end in zip(
            texts, rows, found.offsets[:-1], found.offsets[1:], strict=True
        ):
            assert (ids[start:end], spans[start:end]) == (row.ids, row.offsets), ascii(text)
    assert np.diff(found.offsets).tolist() == [len(row) for row in rows]
    without_spans = fast.tokenize(texts)
    assert without_spans.spans is None and without_spans.ids.tolist() == ids


@pytest.mark.parametrize("name", TOKENIZERS)
def test_plain_texts(name):
    texts = [
        "快递三天没动静，客服也不回",
        "",
        " ",
        "The thing is GOOD!",
        "中文abc中文",
        "\n\n",
        "a\nb",
    ]
    assert FAST[name].is_fast
    assert_equal(TOKENIZERS[name], FAST[name], texts)
    assert_equal(TOKENIZERS[name], FAST[name], [])


@given(names, st.lists(hostile_texts.map("".join), max_size=6))
@settings(max_examples=400, deadline=None)
def test_any_text(name, texts):
    assert_equal(TOKENIZERS[name], FAST[name], texts)


@given(names, code_points.map(chr), code_points.map(chr))
@settings(max_examples=400, deadline=None)
def test_any_two_code_points_beside_each_other(name, one, other):
    pair = one + other
    assert_equal(TOKENIZERS[name], FAST[name], [pair, f"a{pair}a", f"中{pair}中", f"e\u0301{pair}"])


@pytest.mark.parametrize("name", TOKENIZERS)
def test_many_random_texts(name):
    dice = random.Random(name)

    def piece():
        if dice.random() < 0.15:
            return dice.choice(FRAGMENTS)
        return chr(dice.randint(*dice.choice((*HOSTILE, (0, 0x10FFFF)))))

    texts = ["".join(piece() for _ in range(dice.choice((1, 2, 3, 8)))) for _ in range(4000)]
    assert_equal(TOKENIZERS[name], FAST[name], texts)


def in_context(points):
    """Each code point alone, between letters, between Chinese characters, and among marks."""
    characters = [chr(point) for point in points]
    frames = (("", ""), ("a", "b"), ("中", "文"), ("e\u0301", "\u0323b"))
    return [before + c + after for before, after in frames for c in characters]


@pytest.mark.parametrize("name", ["uncased", "cased"])
def test_single_code_points(name):
    points = sorted({*range(0, 0x3100, 3), *range(0x3100, 0x110000, 499), *range(0xF900, 0x10000)})
    assert_equal(TOKENIZERS[name], FAST[name], in_context(points))


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKENIZERS)
def test_every_code_point_there_is(name):
    for start in range(0, 0x110000, 0x4000):
        assert_equal(TOKENIZERS[name], FAST[name], in_context(range(start, start + 0x4000)))


def test_a_word_of_more_than_a_hundred_characters_is_unknown_as_a_whole():
    tokens = FAST["uncased"].tokenize(["a" * 100, "a" * 101, "中" * 101], spans=True)
    assert np.diff(tokens.offsets).tolist() == [100, 1, 101]
    assert tokens.spans[100].tolist() == [0, 101]


def test_texts_of_many_blocks(monkeypatch):
    monkeypatch.setattr(fast_tokenizer, "BLOCK_CHARACTERS", 10)
    texts = ["", "快递三天" * 9, "", "a b", *["快!"] * 30, "the thing"]
    assert_equal(TOKENIZERS["uncased"], FAST["uncased"], texts)


def test_the_cache_begins_again_before_it_fills_the_memory(monkeypatch):
    monkeypatch.setattr(run_cache, "MAX_RUNS", 20)
    fast = FastTokenizer(TOKENIZERS["uncased"])
    dice = random.Random(3)
    for _ in range(30):
        texts = ["".join(dice.choices("abc 快,é", k=12)) for _ in range(10)]
        assert_equal(TOKENIZERS["uncased"], fast, texts)
        assert len(fast._runs._numbers) <= 20 + 60


def test_threads_may_share_it():
    fast = FastTokenizer(TOKENIZERS["uncased"])
    dice = random.Random(5)
    texts = ["".join(chr(dice.randint(0x20, 0x9FFF)) for _ in range(40)) for _ in range(400)]
    parts = [texts[i : i + 20] for i in range(0, 400, 20)] * 2
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(fast.tokenize, parts))
    for part, tokens in zip(parts, found, strict=True):
        expected = TOKENIZERS["uncased"].encode_batch(part, add_special_tokens=False)
        assert tokens.ids.tolist() == [i for row in expected for i in row.ids]


TEXTS_WITH_ADDED = [
    "快[SEP]递",
    "快递",
    "[MASK]",
    "",
    "a <brand> b",
    "a<BRAND>b",
    "快",
    "[SEP]\ud800",
]


@pytest.mark.parametrize("normalized", [False, True])
def test_added_tokens_that_are_matched_go_to_the_real_tokenizer(normalized):
    plain = make()
    plain.encode_special_tokens = False
    plain.add_tokens([AddedToken("<brand>", normalized=normalized, lstrip=True)])
    fast = FastTokenizer(plain)
    assert fast.is_fast is not normalized
    assert_equal(plain, fast, TEXTS_WITH_ADDED)
    assert plain.token_to_id("[SEP]") in fast.tokenize(["快[SEP]递"]).ids


def other_kinds():
    without_normalizer, byte_level, cut, twice, no_unknown = (make() for _ in range(5))
    without_normalizer.normalizer = None
    byte_level.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.BertPreTokenizer(), pre_tokenizers.ByteLevel()]
    )
    cut.enable_truncation(3)
    twice.post_processor = processors.TemplateProcessing(single="$A $A", special_tokens=[])
    no_unknown.model = models.WordPiece({"[X]": 0, **{c: i for i, c in enumerate("快递a", 1)}})
    return [without_normalizer, byte_level, cut, twice, no_unknown]


@pytest.mark.parametrize("plain", other_kinds())
def test_a_tokenizer_of_another_kind_does_all_the_work_itself(plain):
    fast = FastTokenizer(plain)
    assert not fast.is_fast
    assert_equal(plain, fast, ["快递 a", "快", "", "a 快快快快"])


@pytest.mark.parametrize("processor", [None, processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))])
def test_what_a_usual_processor_adds_is_left_out(processor):
    plain = make()
    if processor:
        plain.post_processor = processor
    fast = FastTokenizer(plain)
    assert fast.is_fast
    assert_equal(plain, fast, ["快递 a", ""])
