"""Noise is what it says: the same text to a reader, and to cleaning where it should be."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wenliu.text.noise import (
    full_width,
    homophones,
    swap_case,
    traditional,
    with_byte_order_mark,
    with_zero_width,
)
from wenliu.text.normal_form import normal_forms_v1

TEXTS = st.text(st.characters(codec="gb2312", exclude_categories=["Cc"]), max_size=40)


@given(TEXTS, st.integers(0, 9))
def test_invisible_noise_leaves_the_normal_form(text: str, seed: int) -> None:
    generator = np.random.default_rng(seed)
    noisy = [
        full_width(text),
        swap_case(text),
        with_zero_width(text, generator),
        with_byte_order_mark(text),
    ]
    assert set(normal_forms_v1(noisy)) == set(normal_forms_v1([text]))


def test_homophones_sound_the_same_and_are_other_characters() -> None:
    from pypinyin import Style, pinyin

    text = "快递三天了还没到客服也不回消息真的很失望"
    noisy = homophones(text, np.random.default_rng(3))
    different = [(a, b) for a, b in zip(text, noisy, strict=True) if a != b]
    assert len(different) == 2
    for pair in different:
        one, other = (pinyin(char, style=Style.TONE3)[0][0] for char in pair)
        assert one == other
    assert homophones("ok 123", np.random.default_rng(0)) == "ok 123"


def test_traditional_is_opencc() -> None:
    assert traditional("发货很快") == "發貨很快"
