"""A column of words: cut many texts at once, the same words as one by one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.text import rjieba_engine
from wenliu.text.segmentation import Segmenter

_LATIN = "AT&T C++ c# T恤 wi-fi v1.0.2 a b 1 . % + # & _ - -好 3.5 100%"
_OTHER = "我 的 好用 很 ， 云计算 研究生命起源 魑魅魍魉饕餮 小红书和Super-Buds 𠮷 㐂 😂 é"
_BLANK = [" ", "  ", "\n", "\r", "\r\n", "\t", "\u3000", "\x00", "\x1f", "\u2028"]
_PIECES = [*_LATIN.split(), *_OTHER.split(), *_BLANK]
_texts = st.one_of(
    st.lists(st.sampled_from(_PIECES), max_size=10).map("".join),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=12),
    st.text(alphabet="\r\n 我们a1.-+%", max_size=12),
)


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("words") / "words.txt"
    file.write_text("小红书\nSuper-Buds 3\n很 好 9\n云计算 1 n\n", "utf-8")
    return file


@pytest.fixture(scope="module", params=["rjieba", "rjieba with words", "jieba", "tags"])
def segmenter(request: pytest.FixtureRequest, dictionary: Path) -> Segmenter:
    if request.param == "rjieba with words":
        return Segmenter("rjieba", dictionary)
    return Segmenter(
        "jieba" if request.param == "tags" else request.param,
        part_of_speech=request.param == "tags",
    )


def check(segmenter: Segmenter, texts: list[str], column: pa.StringArray | None = None) -> None:
    words, starts = segmenter.segment_column(
        pa.array(texts, pa.string()) if column is None else column
    )
    for made in (words, starts):
        made.validate(full=True)
    assert words.type == pa.list_(pa.string()) and starts.type == pa.list_(pa.int32())
    expected = [segmenter.segment(text) for text in texts]
    assert words.to_pylist() == [[word for word, _ in row] for row in expected]
    assert starts.to_pylist() == [[start for _, start in row] for row in expected]


@settings(max_examples=300, deadline=None)
@given(texts=st.lists(_texts, max_size=8), block=st.sampled_from([1, 6, 8000]))
def test_a_column_is_cut_as_its_rows_are(
    segmenter: Segmenter, texts: list[str], block: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rjieba_engine, "_BLOCK", block)
        check(segmenter, texts)


def test_slices_and_empty_columns(segmenter: Segmenter) -> None:
    texts = ["", "我爱北京", "", "wi-fi很好，v1.0.2", "", " ", ""]
    check(segmenter, texts[1:-1], pa.array(texts)[1:-1])
    check(segmenter, [])
    check(segmenter, ["", ""])


def test_words_share_the_bytes_of_the_texts() -> None:
    texts = pa.array(["我爱北京天安门", "好"])
    words, _ = Segmenter().segment_column(texts)
    assert words.values.buffers()[2].address == texts.buffers()[2].address
