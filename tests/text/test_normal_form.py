"""The normal form and the hash: fixed for good, so their values stand here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.hashing import stable_fraction
from wenliu.text.normal_form import normal_form_v1


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


def test_fractions_never_change() -> None:
    assert stable_fraction("这家酒店很好", "wenliu") == 0.819576045457947
    assert stable_fraction("a", "bc") != stable_fraction("ab", "c")
    fractions = [stable_fraction(f"第{i}行", "盐") for i in range(4000)]
    assert all(0 <= fraction < 1 for fraction in fractions)
    assert abs(sum(fraction < 0.1 for fraction in fractions) - 400) < 80
    stable_fraction("\ud800", "")
