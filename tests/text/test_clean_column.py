"""Whole columns at once: the same texts, maps and counts as row by row, rule by rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.text import normalizer as module
from wenliu.text.normalizer import Normalizer, Tally, TextSettings
from wenliu.text.settings import MASKS, resolve_settings

OFF: dict[str, Any] = {
    "invisible": False,
    "fullwidth": False,
    "html": False,
    "masks": {},
    "simplify": False,
    "punctuation": {},
    "lowercase": False,
    "emoji": {},
    "repeats": 0,
    "whitespace": False,
}
FOLDS = {"“": '"', "”": '"', "…": "...", "—": "-", "～": "~", "【": "["}
#: Every rule alone, then together in ways that make one rule depend on another.
CHANGES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "invisible": {"invisible": True},
    "fullwidth": {"fullwidth": True},
    "html": {"html": True},
    **{name: {"masks": {name: mask}} for name, mask in MASKS.items()},
    "simplify": {"simplify": True},
    "punctuation": {"punctuation": FOLDS},
    "lowercase": {"lowercase": True},
    "emoji": {"emoji": {"😂": " 笑 ", "👍": "", "🇨🇳": "中国", "🏻": ""}},
    "repeats": {"repeats": 2},
    "long repeats": {"repeats": 9},
    "whitespace": {"whitespace": True},
    "wide links": {"fullwidth": True, "masks": MASKS},
    "hidden links": {"invisible": True, "masks": MASKS},
    "blank folds": {"punctuation": {"“": " ", "”": "\u3000"}},
    "dropped masks": {"html": True, "masks": dict.fromkeys(MASKS, ""), "whitespace": True},
    "wide blanks": {"fullwidth": True, "whitespace": True, "repeats": 1},
    "folds that run": {"punctuation": FOLDS, "repeats": 1, "lowercase": True},
    "odd folds": {
        "punctuation": {"“": "", "”": " ", "…": "😂", "—": "Ａ", "～": "\t", "a": "a", "b": "B"},
        "lowercase": True,
        "emoji": {"😂": "笑"},
        "whitespace": True,
    },
}
_FRAGMENTS = """
<br> <a\thref="x"> </a> <!-- --> <红楼> & &amp; &nbsp; &#8203; &#65313; http:// www. t.cn/x ｗｗｗ.
@ ＠ a@b.cn @小明 138 1381 13800138000 １３８ 0010 1381-2345 11010519491231002X “ ” …… —— ～～ ＡＢ
0101234567 ０10-1234567 400-812-3123 138 0013 8000 13800<b></b>138000 ww<i></i>w.a.cn http://a.cn/b
13800\u200b138000 w\u200bww.a.cn
１２ 　 國 乾隆 乾燥 İ Σ ß 😂 👍 🏻 🇨🇳 哈哈 。。。 !! Aa ab \u200b \ufeff \x00 𠮷 \u2028
"""
_texts = st.lists(
    st.one_of(
        st.sampled_from(_FRAGMENTS.split(" ")),
        st.text(alphabet="哈a1 。<&;@./w“”…A\u3000Ａ-", max_size=8),
        st.text(alphabet=st.characters(codec="utf-8"), max_size=4),
        st.sampled_from(["这家酒店很好，", "WiFi", "价格 300", "  "]),
    ),
    max_size=8,
).map("".join)


@pytest.fixture(scope="module", autouse=True)
def _scan_also_the_shortest() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_FEW", 0)
        yield


@cache
def normalizer_of(name: str) -> Normalizer:
    return Normalizer(TextSettings(**{**OFF, **CHANGES[name]}))


def one_by_one(
    normalizer: Normalizer, texts: list[str], tally: Tally
) -> tuple[list[str], list[list[int] | None]]:
    """What cleaning is defined as: all rules on every row, none left out."""
    tally.open(normalizer.names)
    cleaned = [normalizer._run(text, normalizer._all, tally) for text in texts]
    changed = [pair for pair in zip(texts, cleaned, strict=True) if pair[0] is not pair[1]]
    tally.add_rows(
        rows=len(texts),
        changed=len(changed),
        blank=sum(bool(old.strip()) and not new.strip() for old, new in changed),
        before=sum(map(len, texts)),
        after=sum(map(len, cleaned)),
    )
    return cleaned, [normalizer.clean_with_edits(text)[1].flat for text in texts]


def check(normalizer: Normalizer, texts: list[str], samples: int = 2) -> None:
    column, plain = Tally(samples), Tally(samples)
    cleaned, edits = normalizer.clean_column(pa.array(texts, pa.string()), column)
    cleaned.validate(full=True)
    edits.validate(full=True)
    assert edits.type == pa.list_(pa.int32())
    expected = one_by_one(normalizer, texts, plain)
    assert (cleaned.to_pylist(), edits.to_pylist()) == expected
    assert column.report() == plain.report()
    assert normalizer.clean_batch(texts) == expected[0]


@pytest.mark.parametrize("name", CHANGES)
@settings(max_examples=100, deadline=None)
@given(texts=st.lists(_texts, max_size=6))
def test_a_column_is_cleaned_as_its_rows_are(name: str, texts: list[str]) -> None:
    check(normalizer_of(name), texts)


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(_texts, max_size=8), samples=st.integers(0, 3), simplify=st.booleans())
def test_all_rules_together(texts: list[str], samples: int, simplify: bool) -> None:
    check(_usual(simplify), texts, samples)


@cache
def _usual(simplify: bool) -> Normalizer:
    return Normalizer(resolve_settings(vocabulary=None, lowercase=True, simplify=simplify))


def test_characters_of_all_planes() -> None:
    codes = [*range(0, 0x3100), *range(0x3100, 0x20000, 13), *range(0x20000, 0x110000, 997)]
    texts = [f"好{chr(code)}的" for code in codes if not 0xD800 <= code < 0xE000]
    check(_usual(True), texts)
    check(_usual(True), ["".join(texts)])


def test_a_fold_to_a_blank_can_leave_nothing() -> None:
    check(normalizer_of("blank folds"), ["“", "””", "好“"])


def test_blocks_and_slices_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["“Ａ”", "", "很好", "哈哈哈哈", "b  c", "😂WWW.a.cn", "", "ABC", "……"] * 5
    normalizer = _usual(False)
    whole = normalizer.clean_column(pa.array(texts))
    for size in (1, 5, 9):
        monkeypatch.setattr(module, "_BLOCK", size)
        check(normalizer, texts)
        sliced = normalizer.clean_column(pa.array(["x", *texts, "y"])[1:-1])
        assert [column.to_pylist() for column in sliced] == [c.to_pylist() for c in whole]
    for column in normalizer.clean_column(pa.array([], pa.string())):
        assert len(column) == 0


def test_a_column_that_needs_nothing_is_the_column() -> None:
    texts = pa.array(["没有变化", "也没有，真的。"])
    cleaned, edits = _usual(False).clean_column(texts)
    assert cleaned.equals(texts) and edits.null_count == 2


def test_tally_counts_rows_and_characters_of_each_rule() -> None:
    tally = Tally(samples=1)
    texts = ["ＡＢ哈哈哈哈哈", "ＣＤ", "没有变化", "\u200b\u200b", " "]
    _usual(False).clean_column(pa.array(texts), tally)
    report = tally.report()
    assert report["rows"] == 5
    assert report["changed_rows"] == 4
    assert report["blank_rows"] == 1
    assert report["rules"]["fullwidth"]["rows"] == 2
    assert report["rules"]["fullwidth"]["characters"] == 4
    assert report["rules"]["repeats"]["characters"] == 2
    assert report["rules"]["html"] == {"rows": 0, "characters": 0, "samples": []}
    assert report["rules"]["fullwidth"]["samples"] == [
        {"before": "ＡＢ哈哈哈哈哈", "after": "AB哈哈哈哈哈"}
    ]
    assert report["rules"]["invisible"]["samples"][0]["before"] == "\\u{200b}\\u{200b}"


def test_samples_do_not_tell_numbers() -> None:
    tally = Tally()
    _usual(False).clean_column(pa.array(["电话13800138000", "li.si@example.com"]), tally)
    assert "138001" not in json.dumps(tally.report())
    assert "li.si" not in json.dumps(tally.report())
