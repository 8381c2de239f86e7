"""JSON, JSON Lines, xlsx and Parquet: typed values become the text a person would type."""

import datetime as dt
import gzip
import json

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.readers import BadRow, ReadOptions, Row, iter_rows, sniff

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufffd"), max_size=40)


def values(path, *args):
    return [row.values for row in iter_rows(path, *args) if isinstance(row, Row)]


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=20), ascii_only=st.booleans())
def test_json_and_jsonl_come_back_identically(tmp_path, rows, ascii_only):
    records = [{"text": a, "label": b} for a, b in rows]
    dumped = [json.dumps(each, ensure_ascii=ascii_only) for each in records]
    whole = json.dumps(records, ensure_ascii=ascii_only, indent=1)
    (tmp_path / "a.jsonl").write_bytes("\n".join(dumped).encode())
    (tmp_path / "a.json").write_bytes(whole.encode())
    (tmp_path / "b.json").write_bytes(f'{{"version": 1.0, "data": {whole}, "n": 3}}'.encode())
    for name in ("a.jsonl", "a.json", "b.json"):
        assert values(tmp_path / name) == [list(row) for row in rows]


def test_json_by_columns(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"text": ["好", "坏"], "label": [1, null]}', "utf-8")
    assert values(path) == [["好", "1"], ["坏", None]]
    path.write_text('{"text": {"0": "好", "1": "坏"}, "label": {"0": 1, "1": 2}}', "utf-8")
    assert values(path) == [["好", "1"], ["坏", "2"]]
    path.write_text('{"text": ["好", "坏"], "label": [1]}', "utf-8")
    with pytest.raises(UserError, match="columns of one length"):
        sniff(path)


def test_json_values_keep_their_spelling(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "NA", "label": 7.0, "n": 12345678901234567890}\n'
        '{"text": "007", "label": true, "n": 1e5}\n'
        '{"text": "null", "label": ["甲"], "n": null}\n',
        "utf-8",
    )
    assert values(path) == [
        ["NA", "7", "12345678901234567890"],
        ["007", "true", "1e5"],
        ["null", '["甲"]', None],
    ]


def test_bad_json_lines_cost_only_themselves(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(
        '{"text": "好", "label": "a"}\n'
        '{"text": "少了引号, "label": "a"}\n'
        '["不是", "对象"]\n'
        '{"text": "半个\\ud800", "label": "a"}\n'
        '{"text": "一", "text": "二", "label": "a"}\n'
        "\n" + "[" * 100_000 + "\n"
        '{"text": "\\ud83d\\ude00", "label": "a"}\n',
        "utf-8",
    )
    rows = list(iter_rows(path))
    bad = [row for row in rows if isinstance(row, BadRow)]
    assert [row.values[0] for row in rows if isinstance(row, Row)] == ["好", "😀"]
    assert [row.line for row in bad] == [2, 3, 4, 5, 7]
    assert [row.column for row in bad] == [None, None, "text", None, None]
    for row, words in zip(
        bad, ["not valid JSON", "not a JSON object", "U+D800", "twice", "deeply"], strict=True
    ):
        assert words in row.reason
        row.content.encode("utf-8")


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[{"text": "好"},\n {"text": "坏"\n', 3),
        ('[{"text": "好"},\n {"text" "坏"}]', 2),
        ('[{"text": "好"}]\n{"text": "坏"}', 2),
        ('[{"text": "好"},\n {"text": "一", "text": "二"}]', 2),
        ("[]", 1),
        ("{}", 1),
        ('"text"', 1),
    ],
)
def test_broken_json_stops_with_the_line(tmp_path, content, line):
    path = tmp_path / "a.json"
    path.write_text(content, "utf-8")
    with pytest.raises(UserError) as error:
        list(iter_rows(path))
    assert f"line {line}" in error.value.where


def test_a_half_copied_jsonl_is_not_read(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "好", "label": "a"}\n{"text": "坏", "la', "utf-8")
    with pytest.raises(UserError, match="not copied whole"):
        list(iter_rows(path))


def test_json_elements_cut_by_blocks(tmp_path, monkeypatch):
    records = [{"text": f"第{i}条\n😀", "label": i % 3} for i in range(50)]
    path = tmp_path / "a.json"
    path.write_text(json.dumps(records, ensure_ascii=False, indent=1), "utf-8")
    for size in (1, 3, 64):
        monkeypatch.setattr("wenliu.readers.encodings.BLOCK_BYTES", size)
        assert values(path) == [[r["text"], str(r["label"])] for r in records]


def test_jsonl_called_json_and_keys_that_come_later(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"text": "好"}\n{"text": "坏", "label": "x"}\n', "utf-8")
    found = sniff(path)
    assert found.options.format == "jsonl"
    assert values(path, found) == [["好", None], ["坏", "x"]]


def workbook(path, rows, **formats):
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    for cell, number_format in formats.items():
        book.active[cell].number_format = number_format
    book.save(path)
    return path


def test_xlsx_cells_are_text(tmp_path):
    rows = [
        ["评论内容", "类别", "房号", "时间", "分数"],
        ["很满意", "NA", "007", dt.datetime(2026, 3, 1), 7.0],
        ["null", 7, 12, dt.datetime(2026, 3, 1, 8, 30), 7.5],
        [None, None, None, None, None],
        ["None", True, 7, dt.date(2026, 3, 2), 123456789012],
        ["换行\n了_x000D_", "乙", "=1+1", dt.time(8, 30)],
    ]
    path = workbook(tmp_path / "a.xlsx", rows, C3="000", C5="000")
    found = sniff(path, ReadOptions(header=True))
    read = list(iter_rows(path, found))
    assert [row.line for row in read] == [2, 3, 5, 6]
    assert [row.values for row in read] == [
        ["很满意", "NA", "007", "2026-03-01", "7"],
        ["null", "7", "012", "2026-03-01T08:30:00", "7.5"],
        ["None", "true", "007", "2026-03-02", "123456789012"],
        ["换行\n了\r", "乙", "", "08:30:00", ""],
    ]


def test_xlsx_title_rows_and_sheets(tmp_path):
    rows = [
        ["三季度点评汇总"],
        [],
        ["点评", "类别"],
        ["床很软", "好"],
        ["很吵", "坏"],
        ["近", "好"],
    ]
    path = workbook(tmp_path / "a.xlsx", rows)
    found = sniff(path)
    assert found.columns == ("点评", "类别")
    assert found.options.skip_rows == 1
    assert values(path, found) == [["床很软", "好"], ["很吵", "坏"], ["近", "好"]]
    assert values(path, ReadOptions(sheet="Sheet")) == values(path, ReadOptions(sheet=0))
    with pytest.raises(UserError, match="no sheet 'Other'; there are 'Sheet'"):
        sniff(path, ReadOptions(sheet="Other"))


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([["text", "label"], ["好", "a"], ["坏", "b", "c"]], "3 cells where there are 2"),
        ([["text", "label", "text"], ["好", "a", "b"]], "more than once"),
        ([["text", "label"]], "header and no rows"),
        ([], "empty"),
    ],
)
def test_broken_worksheets(tmp_path, rows, found):
    path = workbook(tmp_path / "a.xlsx", rows)
    with pytest.raises(UserError, match=found):
        list(iter_rows(path))


@pytest.mark.parametrize("suffix", ["xlsx", "parquet"])
def test_half_copied_containers(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "xlsx":
        workbook(path, [["text", "label"]] + [[f"第{i}条", "a"] for i in range(50)])
    else:
        pq.write_table(pa.table({"text": [f"第{i}条" for i in range(50)]}), path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(UserError, match="damaged"):
        list(iter_rows(path))


def test_parquet_types(tmp_path):
    table = pa.table(
        {
            "text": ["NA", "007", None],
            "label": pa.array(["好", "坏", "好"]).dictionary_encode(),
            "n": pa.array([1.0, 2.5, None]),
            "day": pa.array([dt.date(2026, 1, 2)] * 3),
            "broken": pa.array([b"ok", "中".encode(), b"\xff"], pa.binary()),
        }
    )
    path = tmp_path / "a.parquet"
    pq.write_table(table, path)
    rows = list(iter_rows(path))
    assert rows[0].values == ["NA", "好", "1", "2026-01-02", "ok"]
    assert rows[1].values == ["007", "坏", "2.5", "2026-01-02", "中"]
    assert (rows[2].line, rows[2].column) == (3, "broken")
    assert rows[2].reason.startswith("undecodable byte 0xff")


def test_gzipped_containers(tmp_path):
    path = workbook(tmp_path / "a.xlsx", [["text", "label"], ["好", "a"], ["坏", "b"]])
    packed = tmp_path / "a.xlsx.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert values(packed) == [["好", "a"], ["坏", "b"]]
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(b'[{"text": "x", "label": "y"}]'))
    assert values(tmp_path / "a.json.gz") == [["x", "y"]]


def test_what_is_no_table_is_named(tmp_path):
    for head, name in [(b"\xd0\xcf\x11\xe0", "xls"), (b"%PDF-1.7", "PDF"), (b"BZh9", "bzip2")]:
        path = tmp_path / "a.csv"
        path.write_bytes(head + bytes(1000))
        with pytest.raises(UserError, match=name):
            sniff(path)
    (tmp_path / "a.xlsx").write_text("text,label\n")
    with pytest.raises(UserError, match="does not start as one"):
        sniff(tmp_path / "a.xlsx")
    with pytest.raises(UserError, match="is a folder"):
        sniff(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        sniff(tmp_path / "none.csv")
