"""Encodings are found over the whole file; what cannot be decoded is named, never replaced."""

import pytest

from wenliu.errors import UserError
from wenliu.readers import BadRow, ReadOptions, Row, iter_rows, sniff

CONTENT = "text,label\n今天的天气很好，出门走走,天气\n股市大涨,财经\n"
ROWS = [["今天的天气很好，出门走走", "天气"], ["股市大涨", "财经"]]


@pytest.mark.parametrize(
    ("encoding", "named"),
    [("utf-8", "utf-8"), ("utf-8-sig", "utf-8-sig"), ("gb18030", "gb18030"), ("utf-16", "utf-16")],
)
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_encodings_are_found(tmp_path, encoding, named, suffix):
    content = CONTENT.replace(",", "\t") if suffix == "tsv" else CONTENT
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content.encode(encoding))
    found = sniff(path)
    assert found.options.encoding == named
    assert found.columns == ("text", "label")
    assert [row.values for row in iter_rows(path, found)] == ROWS


def test_a_late_character_decides(tmp_path):
    """A look at the first kilobytes would call both files ASCII."""
    head = "text,label\n" + "plain ascii,x\n" * 200_000
    for encoding in ("utf-8", "gb18030"):
        path = tmp_path / f"{encoding}.csv"
        path.write_bytes((head + "末尾才有汉字,x\n").encode(encoding))
        found = sniff(path, max_rows=10)
        assert found.options.encoding == encoding


def test_four_byte_gb18030_survives(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n𠮷野家的牛丼😀㎡,吃\n早饭,吃\n".encode("gb18030"))
    assert next(iter_rows(path)).values == ["𠮷野家的牛丼😀㎡", "吃"]


def good_and_bad(path, options=None):
    rows = list(iter_rows(path, options))
    return [r for r in rows if isinstance(r, Row)], [r for r in rows if isinstance(r, BadRow)]


def test_undecodable_bytes_cost_one_row_with_line_and_column(tmp_path):
    lines = [f"第{i}条留言写得很长,类".encode() for i in range(20)]
    lines[7] = "坏了".encode() + b"\xff\xfe\x81" + ",类".encode()
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"\n".join(lines) + b"\n")
    good, bad = good_and_bad(path)
    assert len(good) == 19
    assert bad == [
        BadRow(9, "text", "undecodable byte 0xff at character 3", "坏了\\xff\\xfe\\x81,类")
    ]


def test_a_damaged_utf8_file_is_not_read_as_gb18030(tmp_path):
    """GB18030 accepts these bytes as well, and would turn every row into rubbish."""
    lines = [f"{i:02},好的".encode() for i in range(20)]
    lines[7] = b"07,\xb0\xa1\xb0\xa1"
    content = b"id,text\n" + b"\n".join(lines) + b"\n"
    content.decode("gb18030")
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    good, bad = good_and_bad(path)
    assert sniff(path).options.encoding == "utf-8"
    assert [row.values[1] for row in good] == ["好的"] * 19
    assert [row.line for row in bad] == [9]


def test_undecodable_gb18030(tmp_path):
    lines = [f"第{i}条留言,类".encode("gb18030") for i in range(20)]
    lines[3] = "坏".encode("gb18030") + b"\xff,\xc0\xe0"
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"\n".join(lines) + b"\n")
    good, bad = good_and_bad(path)
    assert sniff(path).options.encoding == "gb18030"
    assert (len(good), [(row.line, row.column) for row in bad]) == (19, [(5, "text")])


@pytest.mark.parametrize(
    ("character", "reason"), [("\0", "NUL character"), ("\ufffd", "replacement character U+FFFD")]
)
@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_characters_that_cannot_be_kept(tmp_path, character, reason, suffix):
    rows = [("你好", "a"), (f"坏{character}了", "b"), ("再见", "b")]
    mark = "\t" if suffix == "tsv" else ","
    content = f"text{mark}label\n" + "".join(f"{a}{mark}{b}\n" for a, b in rows)
    if suffix == "jsonl":
        content = "".join(f'{{"text": "{a}", "label": "{b}"}}\n' for a, b in rows)
        content = content.replace("\0", "\\u0000")
    path = tmp_path / f"a.{suffix}"
    path.write_text(content, "utf-8")
    good, bad = good_and_bad(path)
    assert [row.values[0] for row in good] == ["你好", "再见"]
    assert (bad[0].line, bad[0].column) == (2 if suffix == "jsonl" else 3, "text")
    assert bad[0].reason.startswith(reason)


def test_an_unknown_encoding_is_refused(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\n" + b"\xff\xfa\xff,\xff\n" * 20)
    with pytest.raises(UserError, match="encoding could not be found"):
        sniff(path)


def test_utf16_without_mark_asks_for_the_name(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\nabc,x\nabd,y\n".encode("utf-16-le"))
    with pytest.raises(UserError, match="without a byte order mark"):
        sniff(path)
    options = ReadOptions(encoding="utf-16-le")
    assert [row.values for row in iter_rows(path, options)] == [["abc", "x"], ["abd", "y"]]


def test_given_encodings(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n繁體中文,x\n".encode("big5"))
    assert next(iter_rows(path, ReadOptions(encoding="big5"))).values == ["繁體中文", "x"]
    path.write_bytes(b"\xef\xbb\xbftext,label\nabc,x\n")
    assert sniff(path, ReadOptions(encoding="utf-8")).columns == ("text", "label")
    for wrong in ("nonsense", "hex"):
        with pytest.raises(UserError, match="no text encoding"):
            sniff(path, ReadOptions(encoding=wrong))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_file_cut_within_a_character_was_not_copied_whole(tmp_path, encoding):
    path = tmp_path / "a.csv"
    path.write_bytes("text,label\n你好啊,财\n你好,财".encode(encoding)[:-1])
    with pytest.raises(UserError, match="not copied whole"):
        list(iter_rows(path))
