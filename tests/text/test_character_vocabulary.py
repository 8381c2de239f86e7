"""The characters of the scratch vocabulary are counted as the tokenizer's normalizer reads them."""

import json
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer

from wenliu.text import vocabulary
from wenliu.text.encoding import encode, load_tokenizer
from wenliu.text.vocabulary import (
    SPECIAL_TOKENS,
    build_character_tokenizer,
    character_tokenizer,
    count_characters,
    tokens_within,
)

#: Characters that a normalizer decomposes, joins, lowers to several, drops or surrounds.
HARD = "éÉe\u0301\u0327İßſΣς각ﬁ한\u0b92\u0bd7\u3099がㇺ中\U00020000\uf900\x00\t\u200bǅ㎏"
TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(HARD)))


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_characters_counted_one_by_one_are_those_of_the_normalized_texts(texts):
    normalizer = BertNormalizer(lowercase=True)
    expected = Counter()
    for text in texts:
        expected.update(normalizer.normalize_str(text))
    found = Counter()
    for character, times in vocabulary.count_characters("".join(texts)).items():
        for normalized in normalizer.normalize_str(character):
            found[normalized] += times
    assert found == expected


def test_empty_texts_end_nothing(monkeypatch):
    monkeypatch.setattr(vocabulary, "_CHUNK_ROWS", 2)
    tokens = build_character_tokenizer(["", "", "", "快", "", "快A"], 1).get_vocab()
    assert set(tokens) == {*SPECIAL_TOKENS, "快", "a", "##a"}


def tokenizer_of(*parts, min_count=2):
    counts = [count_characters("".join(texts)) for texts in parts]
    return json.loads(character_tokenizer(counts, min_count).to_str())


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_new_parts_add_to_the_end_of_the_vocabulary(old, new):
    before = tokenizer_of(old)["model"]["vocab"]
    after = tokenizer_of(old, new)["model"]["vocab"]
    assert list(before.items()) == list(after.items())[: len(before)]


@settings(max_examples=150, deadline=None)
@given(TEXTS, TEXTS)
def test_vocabularies_equal_within_a_texts_characters_read_it_alike(old, new):
    characters = "".join(sorted(set("".join(old))))
    one, other = tokenizer_of(old), tokenizer_of(old, new)
    if tokens_within(one, characters) == tokens_within(other, characters):
        ids = [encode(load_tokenizer(each), old, 50, "head") for each in (one, other)]
        assert ids[0][0].tolist() == ids[1][0].tolist() and (ids[0][1] == ids[1][1]).all()


def test_a_character_that_became_known_concerns_texts_with_it_alone():
    one, other = tokenizer_of(["快快", "慢a"], []), tokenizer_of(["快快", "慢a"], ["慢"])
    assert tokens_within(one, "快") == tokens_within(other, "快")
    assert tokens_within(one, "快慢") != tokens_within(other, "快慢")
