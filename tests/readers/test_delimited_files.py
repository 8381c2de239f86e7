"""CSV and TSV: nothing swallowed, nothing changed, broken structure named by line."""

import csv
import gzip
import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.readers import BadRow, ReadOptions, Row, iter_rows, open_files, sniff

ONE_EXAMPLE_AFTER_THE_OTHER = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def write(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def values(path, *args):
    return [row.values for row in iter_rows(path, *args) if isinstance(row, Row)]


def bad(path, *args):
    return [row for row in iter_rows(path, *args) if isinstance(row, BadRow)]


# Anything a str can hold that is allowed in a row: no NUL, no U+FFFD, no surrogates.
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0\ufffd"), max_size=40)


@ONE_EXAMPLE_AFTER_THE_OTHER
@given(rows=st.lists(st.tuples(texts, texts), min_size=1, max_size=30), quote=st.booleans())
def test_what_csv_writer_wrote_comes_back_identically(tmp_path, rows, quote):
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL if quote else csv.QUOTE_MINIMAL)
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    assert values(tmp_path / "a.csv") == [list(row) for row in rows]


unbroken = st.text(
    st.characters(codec="utf-8", exclude_characters="\0\ufffd\t\n\r"), min_size=1, max_size=40
)


@ONE_EXAMPLE_AFTER_THE_OTHER
@given(rows=st.lists(st.tuples(unbroken, unbroken), min_size=1, max_size=30))
def test_an_unquoted_tsv_comes_back_identically(tmp_path, rows):
    lines = "".join(f"{a}\t{b}\n" for a, b in [("text", "label"), *rows])
    path = write(tmp_path, "a.tsv", lines)
    assert values(path, ReadOptions(quoting="none")) == [list(row) for row in rows]


def test_stray_quotes_in_a_tsv_swallow_no_rows(tmp_path):
    rows = [f"{i % 2}\t第{i}条普通的留言" for i in range(40)]
    rows[3] = '0\t"开头有引号的一行'
    rows[9] = '1\t这行的结尾也有引号"'
    rows[20] = '0\t"整行都在引号里"'
    found = sniff(write(tmp_path, "a.tsv", "label\ttext\n" + "\n".join(rows)))
    assert found.options.quoting == "none"
    assert values(found.path, found) == [row.split("\t") for row in rows]


def test_a_tsv_that_a_writer_quoted_is_unquoted(tmp_path):
    with (tmp_path / "a.tsv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["text", "label"])
        rows = [['他说\t"好的"', "好"], ["换\n行", "坏"], ["普通", "好"]]
        writer.writerows(rows)
    assert values(tmp_path / "a.tsv") == rows


def test_lines_of_records_with_embedded_newlines(tmp_path):
    path = write(tmp_path, "a.csv", 'text,label\r\n"一\r\n二",x\r\n三,y\r\n')
    assert list(iter_rows(path)) == [Row(2, ["一\r\n二", "x"]), Row(4, ["三", "y"])]


def test_unicode_line_separators_end_no_row(tmp_path):
    text = "前\u2028中\x85后\x0b末"
    assert values(write(tmp_path, "a.csv", f"text,label\n{text},x\n")) == [[text, "x"]]
    assert values(write(tmp_path, "a.tsv", f"text\tlabel\n{text}\tx\n")) == [[text, "x"]]


@pytest.mark.parametrize("value", ["NA", "null", "None", "007", "", "1e5", "nan", " 空格 ", "=1+1"])
def test_values_stay_text(tmp_path, value):
    path = write(tmp_path, "a.csv", f"text,label\n你好,{value}\n再见,x\n")
    assert values(path)[0] == ["你好", value]


@pytest.mark.parametrize(
    ("content", "found", "line"),
    [
        ("text,label\n你好,a\n再,见,b\n", "a comma too many", "line 3"),
        ("text,label\n你好,a\n再见\n好,b\n", "short", "line 3"),
        ('text,label\n你好,a\n"再见,b\n好,b\n', "not closed", "line 3"),
        ('text,label\n你好,a\n"再"见,b\n好,b\n', "closing quote", "line 3"),
        ("text,label,text\n你好,a,b\n", "'text' more than once", "line 1"),
        ("", "empty", "line 1"),
        ("\n\n", "blank lines", "line 1"),
        ("text,label\n", "header and no rows", "line 1"),
    ],
)
def test_broken_structure_stops_with_the_line(tmp_path, content, found, line):
    path = write(tmp_path, "a.csv", content)
    with pytest.raises(UserError) as error:
        list(iter_rows(path))
    assert found in error.value.found
    assert "a.csv" in error.value.where
    assert line in error.value.where
    assert error.value.remedy


def test_an_unclosed_quote_far_from_the_end_is_named_where_it_opens(tmp_path):
    lines = ["text,label"] + [f"第{i}条,a" for i in range(60_000)]
    lines[10] = '"没有闭合,a'
    path = write(tmp_path, "a.csv", "\n".join(lines))
    options = ReadOptions(max_row_chars=100_000)
    with pytest.raises(UserError, match="longer than 100,000") as error:
        list(iter_rows(path, options))
    assert "line 11" in error.value.where


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_delimiters_are_found_whatever_the_file_is_called(tmp_path, mark):
    lines = ["text" + mark + "label"] + [f"今天，天气{i}真好{mark}晴" for i in range(20)]
    for name in ("a.csv", "a.txt"):
        found = sniff(write(tmp_path, name, "\n".join(lines)))
        assert found.options.delimiter == mark
        assert found.rows == 20


def test_one_text_a_line_is_one_column(tmp_path):
    lines = ["今天天气好, 出去走走", "一句没有逗号的话", "", "a, b, c"]
    path = write(tmp_path, "a.txt", "\n".join(lines) + "\n")
    assert values(path) == [[line] for line in lines]


def test_a_file_without_header(tmp_path):
    path = write(tmp_path, "titles.txt", "股市大涨创新高\t2\n球队赢了比赛\t7\n楼市降温\t1\n")
    found = sniff(path)
    assert (found.options.header, found.columns) == (False, ("0", "1"))
    assert values(path, found)[0] == ["股市大涨创新高", "2"]


def test_a_repeated_first_row_is_no_header(tmp_path):
    found = sniff(write(tmp_path, "a.tsv", "分类\t好\n" + "分类\t坏\n" * 3))
    assert found.options.header is False


def test_old_mac_line_ends(tmp_path):
    assert values(write(tmp_path, "a.tsv", "text\tlabel\r你好\ta\r再见\tb\r")) == [
        ["你好", "a"],
        ["再见", "b"],
    ]


def test_a_row_that_is_too_long_costs_only_itself_where_lines_are_rows(tmp_path):
    path = write(tmp_path, "a.tsv", f"text\tlabel\n你好\ta\n{'长' * 3_000_000}\tb\n再见\tb\n")
    rows = list(iter_rows(path))
    assert [row.line for row in rows] == [2, 3, 4]
    assert rows[1].reason == "longer than 1,000,000 characters"
    assert len(rows[1].content) == 1000
    assert rows[2].values == ["再见", "b"]


def test_gzip_is_seen_by_content(tmp_path):
    path = write(tmp_path, "a.csv.gz", gzip.compress("text,label\n你好,a\n".encode()))
    assert sniff(path).compressed
    assert values(path) == [["你好", "a"]]
    assert values(path.rename(tmp_path / "b.csv")) == [["你好", "a"]]


def test_columns_by_name_and_by_position(tmp_path):
    path = write(tmp_path, "a.csv", "a,b,c\n正面,很好用,1\n反面,不好用,2\n")
    [file] = open_files([path], ReadOptions(header=True), {"text": 1, "label": "a"})
    [block] = file.blocks()
    assert block.values == {"text": ["很好用", "不好用"], "label": ["正面", "反面"]}
    with pytest.raises(UserError, match="no column 'd' for the text"):
        open_files([path], ReadOptions(header=True), {"text": "d"})


def test_a_file_is_read_block_by_block(tmp_path, monkeypatch):
    monkeypatch.setattr("wenliu.readers.files._BLOCK_ROWS", 4)
    rows = [f"第{i}条,{i % 2}" if i != 5 else "坏\ufffd字,0" for i in range(10)]
    path = write(tmp_path, "a.csv", "\n".join(["text,label", *rows]))
    [file] = open_files([path], ReadOptions())
    assert [block.lines for block in file.blocks()] == [[2, 3, 4, 5], [6, 8, 9], [10, 11]]
    assert [[row.line for row in block.bad] for block in file.blocks()] == [[], [7], []]
    [file] = open_files([path], ReadOptions(), limit=7)
    assert [len(block.lines) + len(block.bad) for block in file.blocks()] == [4, 3]
    monkeypatch.setattr("wenliu.readers.files._MAX_BAD_ROWS", 0)
    with pytest.raises(UserError, match="More than 0 rows cannot be read") as error:
        list(file.blocks())
    assert error.value.where.endswith("line 7")


def test_a_file_that_changes_is_noticed(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\n好,a\n坏,b\n")
    [file] = open_files([path], ReadOptions())
    path.write_text("text,label\n好,a\n坏,b\n差,b\n", "utf-8")
    with pytest.raises(UserError, match="changed while it was read"):
        list(file.blocks())


def test_blocks_do_not_show(tmp_path, monkeypatch):
    """Records, characters and line ends cut by the border of a block."""
    rows = [[f'第{i}条"引号",逗号\r\n换行😀', "标" * (i % 7)] for i in range(300)]
    out = io.StringIO(newline="")
    csv.writer(out).writerows([["text", "label"], *rows])
    paths = [write(tmp_path, f"{e}.csv", out.getvalue(), e) for e in ("utf-8", "gb18030", "utf-16")]
    for size in (1, 2, 7, 101):
        monkeypatch.setattr("wenliu.readers.encodings.BLOCK_BYTES", size)
        for path in paths:
            assert values(path) == rows


def test_a_lone_carriage_return_stays_within_a_tsv_row(tmp_path, monkeypatch):
    path = write(tmp_path, "a.tsv", "text\tlabel\n前\r后\ta\r\n再见\tb\r\n")
    for size in (1, 5, 1000):
        monkeypatch.setattr("wenliu.readers.encodings.BLOCK_BYTES", size)
        assert values(path, ReadOptions(quoting="none")) == [["前\r后", "a"], ["再见", "b"]]


def test_links_are_refused_in_folders(tmp_path):
    target = write(tmp_path, "a.csv", "text,label\n你好,a\n")
    link = tmp_path / "link.csv"
    link.symlink_to(target)
    with pytest.raises(UserError, match="is a link"):
        open_files([link], ReadOptions())
    assert sniff(link).rows == 1


def test_bad_rows_do_not_hide_the_others(tmp_path):
    path = write(tmp_path, "a.csv", "text,label\n好,a\n坏\ufffd了,b\n又好,c\n")
    assert [row.line for row in bad(path)] == [3]
    assert len(values(path)) == 2
