"""The characters of the scratch vocabulary are counted as the tokenizer's normalizer reads them."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer

from wenliu.text import vocabulary
from wenliu.text.vocabulary import SPECIAL_TOKENS, build_character_tokenizer

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
    for character, times in vocabulary._count_characters(texts).items():
        for normalized in normalizer.normalize_str(character):
            found[normalized] += times
    assert found == expected


def test_empty_texts_end_nothing(monkeypatch):
    monkeypatch.setattr(vocabulary, "_CHUNK_ROWS", 2)
    tokens = build_character_tokenizer(["", "", "", "快", "", "快A"], 1).get_vocab()
    assert set(tokens) == {*SPECIAL_TOKENS, "快", "a", "##a"}
