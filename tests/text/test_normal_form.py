"""The normal form and the hash: fixed for good, so their values stand here."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.hashing import digests, numbered, stable_fraction
from wenliu.text.normal_form import normal_form_v1, normal_forms_v1

# Marks, what is composed or decomposed, what has a lower case, jamo, sigmas, invisible things.
_HOSTILE = (
    "".join(
        char
        for char in map(chr, range(0x3400))
        if unicodedata.combining(char) or unicodedata.decomposition(char) or char.lower() != char
    )
    + "Σσς\u1100\u1161\u11a8가각\u3099か\ud800\udc00\u200b\ufeff國𝐀㈱…\U0002f800\U000e0001"
)


@pytest.mark.parametrize(
    "text",
    [
        "ABC123，国家!",
        "ａｂｃ１２３，国家！",
        "\ufeffAbc 123\u3000,\n國\u200b家\ufe0f!\x00",
        "\u202eABC123\u202c，国\xad家！\ud800",
    ],
)
def test_variants_have_one_form(text: str) -> None:
    assert normal_form_v1(text) == "abc123,国家!"


def test_blank_texts_have_an_empty_form() -> None:
    assert normal_form_v1(" \t\u3000\u200b") == ""
    assert normal_form_v1("") == ""


@given(st.text())
def test_the_form_of_a_form_is_itself(text: str) -> None:
    form = normal_form_v1(text)
    assert normal_form_v1(normal_form_v1(form)) == normal_form_v1(form)
    assert not any(char.isspace() for char in form)


def test_many_forms_are_the_forms_of_each() -> None:
    """Every character of a block that may matter, and some of each of the others."""
    chars = [*_HOSTILE, *map(chr, range(0x110000)[::61]), *map(chr, range(0xF900, 0x10000))]
    assert normal_forms_v1(chars) == [normal_form_v1(char) for char in chars]
    # The same characters as neighbours of each other.
    texts = ["".join(chars[start : start + 3]) for start in range(0, len(chars), 2)]
    assert normal_forms_v1(texts) == [normal_form_v1(text) for text in texts]
    assert normal_forms_v1([]) == []
    assert normal_forms_v1(["", " ", ""]) == ["", "", ""]


@given(st.lists(st.text(st.sampled_from(_HOSTILE) | st.characters(), max_size=12)))
def test_neighbours_that_change_each_other_are_seen(texts: list[str]) -> None:
    assert normal_forms_v1(texts) == [normal_form_v1(text) for text in texts]


def test_blocks_do_not_show(monkeypatch) -> None:
    texts = [f"第{i}行ΑΣ{'，国' * (i % 5)}…e{chr(0x300 + i)}" for i in range(50)]
    expected = [normal_form_v1(text) for text in texts]
    for size in (1, 7, 100):
        monkeypatch.setattr("wenliu.text.normal_form._BLOCK_CHARACTERS", size)
        assert normal_forms_v1(texts) == expected


@given(st.lists(st.sampled_from(["甲", "乙", "", "\ud800", "甲\0", "丙" * 99])))
def test_numbers_follow_the_first_occurrence(texts: list[str]) -> None:
    numbers, firsts = numbered(digests(texts))
    distinct = list(dict.fromkeys(texts))
    assert numbers.tolist() == [distinct.index(text) for text in texts]
    assert firsts.tolist() == [texts.index(text) for text in distinct]


def test_digests_never_change() -> None:
    [digest] = digests(["这家酒店很好"])
    assert digest.tolist() == [8429345468334682649, 2234857880641071593]
    assert digests([]).shape == (0, 2)
    assert digest.dtype == np.uint64


def test_fractions_never_change() -> None:
    assert stable_fraction("这家酒店很好", "wenliu") == 0.819576045457947
    assert stable_fraction("a", "bc") != stable_fraction("ab", "c")
    fractions = [stable_fraction(f"第{i}行", "盐") for i in range(4000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert abs(sum(fraction < 0.1 for fraction in fractions) - 400) < 80
    stable_fraction("\ud800", "")
