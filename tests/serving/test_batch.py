"""A file through a bundle: every row in its place, a bad row costs only itself."""

from __future__ import annotations

import csv
import gzip
import json
import tracemalloc

import pytest

from wenliu.errors import UserError
from wenliu.serving.batch import describe, predict_file
from wenliu.serving.bundle import Bundle
from wenliu.serving.writers import SUFFIXES, safe_cell

TEXTS = ["快递三天了还没到", "NA", "null", "007", "None", "质量不错", "退款还没到账，请尽快处理"]


@pytest.fixture(scope="module")
def bundle(tiny_problem) -> Bundle:
    return Bundle.load(tiny_problem.bundle, engine="onnxruntime", precision="fp32")


def read_csv(path, delimiter=","):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def read(path):
    """Rows of any output as dicts of text."""
    if path.suffix in (".csv", ".tsv"):
        return read_csv(path, "\t" if path.suffix == ".tsv" else ",")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if path.suffix == ".parquet":
        import pyarrow.parquet as parquet

        return parquet.read_table(path).to_pylist()
    from openpyxl import load_workbook

    header, *rows = load_workbook(path).active.iter_rows(values_only=True)
    return [dict(zip(header, row, strict=True)) for row in rows]


def write_inputs(folder, form):
    path = folder / f"messages.{form}"
    rows = [(str(i), text) for i, text in enumerate(TEXTS)]
    if form in ("csv", "gb18030.csv", "csv.gz"):
        text = "编号,内容\n" + "".join(f"{a},{b}\n" for a, b in rows)
        data = text.encode("gb18030" if "gb" in form else "utf-8-sig")
        path.write_bytes(gzip.compress(data) if form.endswith("gz") else data)
    elif form == "tsv":
        path.write_text("编号\t内容\n" + "".join(f"{a}\t{b}\n" for a, b in rows), "utf-8")
    elif form == "jsonl":
        lines = [json.dumps({"编号": a, "内容": b}, ensure_ascii=False) for a, b in rows]
        path.write_text("\n".join(lines), "utf-8")
    elif form == "json":
        path.write_text(json.dumps([{"编号": a, "内容": b} for a, b in rows]), "utf-8")
    elif form == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as parquet

        columns = {"编号": [a for a, _ in rows], "内容": [b for _, b in rows]}
        parquet.write_table(pa.table(columns), path)
    else:
        from openpyxl import Workbook

        book = Workbook()
        for row in [("编号", "内容"), *rows]:
            book.active.append(row)
        book.save(path)
    return path


@pytest.mark.parametrize(
    "form", ["csv", "gb18030.csv", "csv.gz", "tsv", "jsonl", "json", "parquet", "xlsx"]
)
def test_any_format_gives_what_single_texts_give(bundle, tmp_path, form):
    """Reliability 20, 21, 27: encodings found, NA and 007 are text, probabilities are equal."""
    target = tmp_path / "out.jsonl"
    report = predict_file(bundle, write_inputs(tmp_path, form), target, text_column="内容")
    rows = read(target)
    assert [row["内容"] for row in rows] == TEXTS
    assert [row["编号"] for row in rows] == [str(i) for i in range(len(TEXTS))]
    for row in rows:
        alone = bundle.predict([row["内容"]])[0]
        assert row["label"] == alone.label
        assert abs(row["probability"] - alone.probability) <= 1e-6
        assert row["error"] is None
    assert report["rows"] == report["predicted"] == len(TEXTS)
    assert sum(report["labels"].values()) == len(TEXTS)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_output_holds_the_same(bundle, tmp_path, suffix):
    source = write_inputs(tmp_path, "csv")
    predict_file(bundle, source, tmp_path / "a.jsonl", text_column="内容")
    predict_file(bundle, source, tmp_path / f"b{suffix}", text_column="内容")
    expected, got = read(tmp_path / "a.jsonl"), read(tmp_path / f"b{suffix}")
    assert list(got[0]) == ["编号", "内容", "label", "probability", "error"]
    for one, other in zip(expected, got, strict=True):
        assert other["内容"] == one["内容"]
        assert other["label"] == one["label"]
        assert float(other["probability"]) == pytest.approx(one["probability"])
        assert not other["error"]


def test_bad_rows_stay_in_their_place_with_a_reason(bundle, tmp_path):
    source = tmp_path / "bad.csv"
    lines = [f"{i},这个商品的质量很好下次还会再买{i}".encode() for i in range(40)]
    lines[3] = b"3,\xff\xfe\xfa broken"
    lines[5] = "5,有一个\0空字符".encode()
    lines[7] = b"7,"
    lines[9] = "9,\u200b\ufeff".encode()
    source.write_bytes(b"id,text\n" + b"\n".join(lines) + b"\n")
    report = predict_file(bundle, source, tmp_path / "out.csv", text_column="text")
    rows = read_csv(tmp_path / "out.csv")
    assert len(rows) == report["rows"] == 40
    for i, row in enumerate(rows):
        if i in (3, 5, 7, 9):
            assert row["label"] == row["probability"] == ""
            assert row["error"]
        else:
            assert row["id"] == str(i)
            assert row["label"] in bundle.labels
            assert row["error"] == ""
    assert rows[3]["error"].startswith("line 5, column text:")
    assert report["without_label"] == 4
    assert "4 rows have no label" in report["warnings"][0]


def test_a_comma_too_many_or_too_few_costs_only_its_row(bundle, tmp_path):
    source = tmp_path / "in.csv"
    lines = [f"{i},这个商品的质量很好下次还会再买{i}" for i in range(40)]
    lines[0] += ",多了一个"
    lines[9] = "9"
    source.write_text("id,text\n" + "\n".join(lines) + "\n", "utf-8")
    predict_file(bundle, source, tmp_path / "out.csv")
    rows = read_csv(tmp_path / "out.csv")
    assert len(rows) == 40
    assert [i for i, row in enumerate(rows) if not row["label"]] == [0, 9]
    assert "line 2: The row has 3 fields where there are 2 columns" in rows[0]["error"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b'id,text\n1,"never closed\n2,b\n', "line 2"),
        (b"text,text\na,b\n", "line 1"),
        (b"", "empty"),
        (b"id,text\n", "no rows"),
    ],
)
def test_a_file_without_structure_is_refused_and_nothing_written(bundle, tmp_path, content, found):
    """Reliability 22."""
    source = tmp_path / "bad.csv"
    source.write_bytes(content)
    target = tmp_path / "out.csv"
    target.write_text("from yesterday")
    with pytest.raises(UserError, match=found):
        predict_file(bundle, source, target)
    assert target.read_text() == "from yesterday"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.csv", "out.csv"]


FORMULAS = ["=1+1", "+86 138", "-5 分", "@某人", "\t缩进", "\r回车", '=HYPERLINK("http://a")']


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".xlsx"])
def test_formula_like_cells_are_prefixed(bundle, tmp_path, suffix):
    """Reliability 31: the header, too."""
    source = tmp_path / "in.jsonl"
    lines = [json.dumps({"=id": text, "text": text}) for text in FORMULAS]
    source.write_text("\n".join(lines), "utf-8")
    target = tmp_path / f"out{suffix}"
    predict_file(bundle, source, target, text_column="text")
    rows = read(target)
    for text, row in zip(FORMULAS, rows, strict=True):
        # A workbook gives a CR back as a line feed, as XML has it.
        assert row["text"].replace("\n", "\r") == "'" + text
        assert "'=id" in row
    if suffix == ".xlsx":
        from openpyxl import load_workbook

        cells = [cell for row in load_workbook(target).active.iter_rows() for cell in row]
        assert all(cell.data_type != "f" for cell in cells)


def test_only_dangerous_cells_are_prefixed():
    """Reliability 31: `= + - @`, tab, CR and NUL."""
    assert safe_cell("\0x") == "'\0x"
    assert [safe_cell(value) for value in ("退款", "1=1", "", None, 0.5)] == [
        "退款",
        "1=1",
        "",
        None,
        0.5,
    ]


def test_texts_go_unchanged_into_formats_that_run_no_formulas(bundle, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(json.dumps({"text": t}) for t in FORMULAS), "utf-8")
    for suffix in (".jsonl", ".parquet"):
        predict_file(bundle, source, tmp_path / f"out{suffix}", text_column="text")
        assert [row["text"] for row in read(tmp_path / f"out{suffix}")] == FORMULAS


def test_columns_that_are_there_already_are_kept(bundle, tmp_path):
    source = tmp_path / "in.csv"
    source.write_text("text,label\n快递三天了还没到,物流\n质量不错下次再来,质量\n", "utf-8")
    predict_file(bundle, source, tmp_path / "out.csv", text_column="text")
    assert list(read_csv(tmp_path / "out.csv")[0]) == [
        "text",
        "label",
        "predicted_label",
        "probability",
        "error",
    ]


def test_the_column_is_found_or_named(bundle, tmp_path):
    source = write_inputs(tmp_path, "csv")
    for wanted in (None, "内容", 1, "1"):
        report = predict_file(bundle, source, tmp_path / "out.csv", text_column=wanted)
        assert report["text_column"] == "内容"
    with pytest.raises(UserError, match="编号, 内容"):
        predict_file(bundle, source, tmp_path / "out.csv", text_column="text")


def workbook(path, sheets):
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


COVER = [["客户反馈汇总"], ["本表由客服部整理，每周更新一次"], ["有问题请联系客服部的同事"]]
NUMBERS = [["id", "数量"], ["1", 3], ["2", 4]]


def table(column):
    return [("编号", column), *((str(i), text) for i, text in enumerate(TEXTS))]


def test_the_first_sheet_with_texts_is_read(bundle, tmp_path):
    sheets = {"说明": COVER, "空": [], "数量": NUMBERS, "反馈": table("内容"), "旧": table("原文")}
    source = workbook(tmp_path / "in.xlsx", sheets)
    report = predict_file(bundle, source, tmp_path / "out.jsonl")
    assert (report["sheet"], report["text_column"]) == ("反馈", "内容")
    assert report["sheets_not_read"] == ["说明", "空", "数量", "旧"]
    assert "Sheet '反馈' was read" in describe(report)
    assert [row["内容"] for row in read(tmp_path / "out.jsonl")] == TEXTS
    report = predict_file(bundle, source, tmp_path / "out.jsonl", text_column="原文")
    assert (report["sheet"], report["rows"]) == ("旧", len(TEXTS))
    for wanted in ("旧", 4, "4"):
        report = predict_file(bundle, source, tmp_path / "out.jsonl", sheet=wanted)
        assert (report["sheet"], report["text_column"]) == ("旧", "原文")
    with pytest.raises(UserError, match="no sheet '新'; there are '说明'"):
        predict_file(bundle, source, tmp_path / "out.jsonl", sheet="新")


def test_without_a_sheet_of_texts_the_sheets_are_named(bundle, tmp_path):
    source = workbook(tmp_path / "in.xlsx", {"数量": NUMBERS, "空": [], "反馈": table("内容")})
    with pytest.raises(UserError, match="a column '正文'") as error:
        predict_file(bundle, source, tmp_path / "out.csv", text_column="正文")
    assert "sheets '数量', '空', '反馈'" in error.value.where
    assert "--sheet" in error.value.remedy
    source = workbook(tmp_path / "in.xlsx", {"数量": NUMBERS, "空": []})
    with pytest.raises(UserError, match=r"No sheet has a column of texts.*'空': The worksheet is"):
        predict_file(bundle, source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_a_sheet_of_one_column_is_read_if_there_is_no_table(bundle, tmp_path):
    source = workbook(tmp_path / "in.xlsx", {"数量": NUMBERS, "反馈": [[t] for t in TEXTS]})
    assert predict_file(bundle, source, tmp_path / "out.csv")["sheet"] == "反馈"
    many = [["意见"], *([f"包裹被压坏了里面的杯子碎了{i}个"] for i in range(60))]
    source = workbook(tmp_path / "in.xlsx", {"意见": many, "反馈": table("内容")})
    assert predict_file(bundle, source, tmp_path / "out.csv")["sheet"] == "意见"


def test_a_sheet_may_be_called_by_a_year_and_only_workbooks_have_any(bundle, tmp_path):
    source = workbook(tmp_path / "in.xlsx", {"2023": table("内容"), "2024": table("内容")})
    report = predict_file(bundle, source, tmp_path / "out.csv", sheet=2024)
    assert report["sheet"] == "2024"
    source = write_inputs(tmp_path, "csv")
    assert predict_file(bundle, source, tmp_path / "out.csv", text_column="内容")["sheet"] is None
    with pytest.raises(UserError, match="no workbook"):
        predict_file(bundle, source, tmp_path / "out.csv", sheet="2024")


def test_short_texts_in_the_only_column_are_predicted(bundle, tmp_path):
    source = tmp_path / "in.csv"
    for content in ("text\ngood\nbad\n", "words\n12\n7\n", "id,text\n1,ok\n2,no\n"):
        source.write_text(content, "utf-8")
        report = predict_file(bundle, source, tmp_path / "out.csv")
        assert report["text_column"] in ("text", "words", "0")
        assert report["predicted"] == report["rows"] >= 2


def test_outputs_that_cannot_be_are_refused(bundle, tmp_path):
    source = write_inputs(tmp_path, "csv")
    for target in (source, tmp_path / "out.doc", tmp_path / "nowhere" / "out.csv"):
        with pytest.raises(UserError):
            predict_file(bundle, source, target, text_column="内容")


def test_xlsx_takes_what_excel_cannot_hold(bundle, tmp_path):
    source = tmp_path / "in.jsonl"
    texts = ["很长" * 30_000, "控制\x0b符"]
    source.write_text("\n".join(json.dumps({"text": t}) for t in texts), "utf-8")
    predict_file(bundle, source, tmp_path / "out.xlsx", text_column="text")
    assert [len(row["text"]) for row in read(tmp_path / "out.xlsx")] == [32_767, 3]


def test_memory_does_not_grow_with_the_file(bundle, tmp_path):
    def peak(rows: int) -> int:
        source = tmp_path / f"{rows}.csv"
        with source.open("w", encoding="utf-8") as file:
            file.write("id,text\n")
            file.writelines(f"{i},包裹被压坏了里面的杯子碎了{i % 97}个\n" for i in range(rows))
        tracemalloc.start()
        predict_file(bundle, source, tmp_path / "out.csv", text_column="text")
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(3_000)
    assert peak(12_000) < 1.5 * peak(5_000)
