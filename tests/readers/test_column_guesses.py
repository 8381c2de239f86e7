"""Which column is the text: names first, then the characters."""

import pytest

from wenliu.readers import sniff


@pytest.mark.parametrize(
    ("header", "row", "text"),
    [
        ("text", "good", "text"),
        ("review,city", "ok,广州天河区的总店", "review"),
        ("标题,内容", "这是一个很长很长的标题而且不短,短", "内容"),
        ("id,text,note", "1,好,备注写了很多很多的字却不是正文", "text"),
        ("用户评价,说明", "好,这里才有很长很长的一段文字可以分类", "说明"),
        ("anything", "x", "anything"),
    ],
)
def test_names_count_before_characters(tmp_path, header, row, text):
    path = tmp_path / "a.csv"
    first, _, rest = row.partition(",")
    lines = [f"{first}{i}" + (f",{rest}" if rest else "") for i in range(10)]
    path.write_text("\n".join([header, *lines]), "utf-8")
    found = sniff(path)
    assert found.roles["text"] in (text, "0")
    if found.options.header:
        assert found.roles["text"] == text


def test_a_category_with_a_text_name_is_no_text(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"{'好评' if i % 2 else '差评'},第{i}位客人住了两晚" for i in range(30)]
    path.write_text("\n".join(["评论,说明", *rows]), "utf-8")
    assert sniff(path).roles["text"] == "说明"
