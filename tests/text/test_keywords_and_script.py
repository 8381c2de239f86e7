"""Keywords that set labels apart, and the script of a text."""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.text.keywords import _WORD, WordCounts
from wenliu.text.script import script_of


def keywords_by_label(rows, labels, n_labels, top):
    counts = WordCounts(n_labels)
    for start in range(0, len(rows), 7):
        words = pa.array(rows[start : start + 7], pa.list_(pa.string()))
        counts.add(words, pa.array(labels[start : start + 7], pa.int32()))
    return counts.keywords(top)


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["快递", "App", "APP", "慢", "12", "a1", "，", ""]))))
def test_a_word_counts_once_a_row(rows) -> None:
    counts = WordCounts(2)
    labels = [i % 2 for i in range(len(rows))]
    for start in range(0, len(rows), 3):
        words = pa.array(rows[start : start + 3], pa.list_(pa.string()))
        counts.add(words, pa.array(labels[start : start + 3], pa.int32()))
    expected = [Counter(), Counter()]
    for row, label in zip(rows, labels, strict=True):
        expected[label].update({word.lower() for word in row if _WORD.fullmatch(word)})
    found = [Counter(), Counter()]
    for row in counts.counts().to_pylist():
        found[row["label_id"]][row["word"]] = row["rows"]
    assert found == expected
    assert counts.rows == len(rows)


@settings(deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(["快递", "App", "慢速", "a1"]), max_size=5), max_size=20),
    st.integers(0, 20),
)
def test_rows_that_are_taken_off_were_never_there(rows, count) -> None:
    def counted(some):
        counts = WordCounts(1)
        if some:
            counts.add(pa.array(some, pa.list_(pa.string())), pa.array([0] * len(some), pa.int32()))
        return counts

    counts = WordCounts(1)
    counts.merge(counted(rows).counts(), len(rows))
    counts.take_off(counted(rows[:count]).counts(), len(rows[:count]))
    kept = counted(rows[count:])
    assert counts.rows == kept.rows
    by_word = [sorted(map(str, each.counts().to_pylist())) for each in (counts, kept)]
    assert by_word[0] == by_word[1]


def test_words_of_one_label_win_over_words_of_all() -> None:
    shipping = [["快递", "太", "慢", "了", "，", "物流", "123", "我们"]] * 10
    price = [["价格", "太", "贵", "APP", "我们", "我们", "我们"]] * 10
    found = keywords_by_label(shipping + price, [0] * 10 + [1] * 10, 2, top=5)
    words = [[keyword.word for keyword in own] for own in found]
    assert set(words[0]) == {"快递", "物流"}
    assert set(words[1]) == {"价格", "app"}
    assert found[0][0].rows == 10 and found[0][0].share == 1.0 and found[0][0].score > 0


def test_a_rare_word_is_no_keyword() -> None:
    rows = [["退款", "麒麟"]] + [["退款"]] * 9 + [["发票"]] * 10
    found = keywords_by_label(rows, [0] * 10 + [1] * 10, 3, top=5)
    assert [keyword.word for keyword in found[0]] == ["退款"]
    assert found[2] == []


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("这是一个测试", "simplified"),
        ("這是一個測試", "traditional"),
        ("皇后在台北的公里", "simplified"),
        ("這家餐廳的服務很好，皇后也來過台北", "traditional"),
        ("好吃", "simplified"),
        ("iPhone 15 Pro", "latin"),
        ("ｉＰｈｏｎｅ", "latin"),
        ("iPhone很好", "simplified"),
        ("こんにちは世界", "other"),
        ("안녕하세요", "other"),
        ("123 😂", "other"),
        ("", "other"),
    ],
)
def test_script(text: str, script: str) -> None:
    assert script_of(text) == script
