"""The ingestion node: rows judged, labels named and ordered, splits found, ids unique."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.labels import fold_label, order_labels
from wenliu.pipelines.ingestion.nodes import read_examples
from wenliu.pipelines.ingestion.splits import splits_of_files
from wenliu.schemas import Examples, Quarantine

BENCH = Path(os.environ.get("WENLIU_BENCH_DATA", Path(__file__).parents[4] / "shared" / "data"))
needs_bench = pytest.mark.skipif(not BENCH.is_dir(), reason=f"no real data in {BENCH}")
TOPICS = ["物流", "退款", "质量"]


def csv_file(folder, name="a.csv", rows=60, labels=TOPICS, encoding="utf-8", start=0):
    path = folder / name
    lines = [f"第{i}位顾客的留言,{labels[i % len(labels)]}" for i in range(start, start + rows)]
    path.write_bytes("\n".join(["text,label", *lines]).encode(encoding))
    return path


def read(paths, frozen=None, **params):
    examples, quarantine, label_map, report = read_examples(
        paths, frozen or {}, IngestionParams.model_validate(params)
    )
    Examples.validate(examples)
    Quarantine.validate(quarantine)
    assert report["rows"] == examples.num_rows
    json.dumps(report)
    return examples.table(), quarantine.table(), label_map, report


def test_examples_and_report(tmp_path):
    path = csv_file(tmp_path, encoding="gb18030")
    examples, quarantine, label_map, report = read([path])
    first = examples.slice(0, 1).to_pylist()[0]
    assert first == {
        "id": "a.csv:2",
        "text": "第0位顾客的留言",
        "label": "物流",
        "label_id": 0,
        "split": None,
        "group": None,
        "source": "a.csv",
        "line": 2,
    }
    assert quarantine.num_rows == 0
    assert label_map == {"labels": sorted(TOPICS), "frozen": False, "order": "sorted"}
    [file] = report["files"]
    assert file["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert file["bytes"] == path.stat().st_size
    assert (file["encoding"], file["format"], file["delimiter"]) == ("gb18030", "csv", "comma")
    assert file["columns"] == {"text": "text", "label": "label"}
    assert report["labels"] == dict.fromkeys(sorted(TOPICS), 20)


def test_many_formats_become_one_table(tmp_path):
    csv_file(tmp_path, "a.csv", encoding="gb18030")
    csv_file(tmp_path, "b.csv", encoding="utf-8-sig", start=60)
    records = [{"编号": f"j{i}", "正文": f"第{i}条反馈", "类别": TOPICS[i % 3]} for i in range(30)]
    lines = "\n".join(json.dumps(each) for each in records)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    book = openpyxl.Workbook()
    for row in [["留言内容", "分类"], *([f"第{i}条点评", TOPICS[i % 3]] for i in range(30))]:
        book.active.append(row)
    book.save(tmp_path / "d.xlsx")
    examples, _, label_map, report = read(sorted(tmp_path.iterdir()))
    assert report["rows"] == 180
    assert [file["rows"] for file in report["files"]] == [60, 60, 30, 30]
    assert len(label_map["labels"]) == 3
    assert examples.column("id")[120].as_py() == "j0"
    assert examples.column("id")[0].as_py() == "a.csv:2"


def test_labels_are_folded(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,label\n好一,Ａ１\n好二, A1 \n坏一,B\u3000\n坏二,B\n", "utf-8")
    _, _, label_map, report = read([path])
    assert report["labels"] == {"A1": 2, "B": 2}
    assert label_map["labels"] == ["A1", "B"]


@given(st.text())
def test_folding_labels_twice_changes_nothing(label):
    folded = fold_label(label)
    assert fold_label(folded) == folded


def test_integer_labels_are_ordered_by_value():
    assert order_labels(["10", "9", "2", "10"]) == ["2", "9", "10"]
    assert order_labels(["b", "10", "9"]) == ["10", "9", "b"]


def test_integer_labels_with_a_file_of_names(tmp_path):
    path = tmp_path / "titles.txt"
    rows = [f"第{i}个新闻的标题\t{i % 3}" for i in range(300)]
    rows[5] = "第5个新闻的标题\t3"
    rows[7] = "第7个新闻的标题\t"
    rows[8] = "第8个新闻的标题\t体育"
    path.write_text("\n".join(rows), "utf-8")
    names = tmp_path / "class.txt"
    names.write_text("体育\n财经\n房产\n", "utf-8")
    params = {"label_names": "class.txt", "columns": {"text": 0, "label": 1}}
    examples, quarantine, label_map, report = read([names, path], **params)
    assert label_map["labels"] == ["体育", "财经", "房产"]
    assert examples.column("label").to_pylist()[:2] == ["体育", "财经"]
    bad = quarantine.to_pylist()
    assert [(row["line"], row["column"]) for row in bad] == [(6, "1"), (8, "1")]
    assert bad[0]["reason"] == "the label 3 is none of 0 to 2"
    assert bad[1]["reason"] == "the label is empty"
    assert examples.column("label").to_pylist()[6:7] == ["体育"]
    assert [file["source"] for file in report["files"]] == ["titles.txt"]


@pytest.mark.parametrize("name", ["../class.txt", "none.txt", "link.txt"])
def test_names_outside_the_folder_are_refused(tmp_path, name):
    folder = tmp_path / "raw"
    folder.mkdir()
    (tmp_path / "class.txt").write_text("甲\n乙\n", "utf-8")
    (folder / "link.txt").symlink_to(tmp_path / "class.txt")
    with pytest.raises(UserError, match=r"leads out|There is no file"):
        read([csv_file(folder)], label_names=name)


def test_repeated_label_names_are_refused(tmp_path):
    names = tmp_path / "class.txt"
    names.write_text("甲\n乙\n甲\n", "utf-8")
    with pytest.raises(UserError, match="'甲' stands twice") as error:
        read([names, csv_file(tmp_path)], label_names="class.txt")
    assert "line 3" in error.value.where


def test_names_that_are_no_raw_file_are_refused(tmp_path):
    (tmp_path / "class.txt").write_text("甲\n乙\n", "utf-8")
    with pytest.raises(UserError, match="not among the raw files") as error:
        read([csv_file(tmp_path)], label_names="class.txt")
    assert "files of raw_files" in str(error.value)


def test_bad_rows_beyond_the_limit_stop_the_run(tmp_path):
    path = csv_file(tmp_path, rows=100)
    lines = path.read_text("utf-8").splitlines()
    lines[3], lines[9] = "没有标签,", "坏\ufffd字,物流"
    path.write_text("\n".join(lines), "utf-8")
    with pytest.raises(UserError, match="2 of 100 rows are bad") as error:
        read([path])
    assert "a.csv, line 4, column 'label': the label is empty" in error.value.where
    _, quarantine, _, report = read([path], max_bad_rows=0.02)
    assert report["quarantined"] == quarantine.num_rows == 2
    assert [row["line"] for row in quarantine.to_pylist()] == [4, 10]
    assert any("quarantine" in warning for warning in report["warnings"])


def test_blank_texts_are_kept_and_missing_ones_are_bad(tmp_path):
    path = tmp_path / "a.jsonl"
    rows = [{"text": f"留言{i}", "label": TOPICS[i % 3]} for i in range(10)]
    rows += [{"text": " ", "label": "物流"}, {"text": None, "label": "物流"}, {"label": "物流"}]
    path.write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
    examples, quarantine, _, _ = read([path], max_bad_rows=0.5)
    assert examples.column("text").to_pylist()[-1] == " "
    assert quarantine.column("reason").to_pylist() == ["the text is missing"] * 2


def test_splits_by_file_name(tmp_path):
    paths = [csv_file(tmp_path, f"{name}.csv") for name in ("train", "dev", "test")]
    examples, _, _, report = read(paths)
    assert report["splits"] == {
        "found_by": "file names",
        "train": 60,
        "validation": 60,
        "test": 60,
        "none": 0,
    }
    assert examples.column("split").to_pylist()[60] == "validation"


def test_splits_by_patterns(tmp_path):
    paths = [csv_file(tmp_path, name) for name in ("jan.csv", "feb.csv", "mar.csv")]
    _, _, _, report = read(paths, splits={"mar*": "test", "*.csv": "train"})
    assert (report["splits"]["train"], report["splits"]["test"]) == (120, 60)
    with pytest.raises(UserError, match=r"'apr\*' fits none of the files"):
        read(paths, splits={"apr*": "test"})


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (["test_orders.csv"], {}),
        (["train.csv"], {}),
        (["a.csv", "b.csv"], {}),
        (["train.1.csv", "contest.csv"], {}),
        (["train_test.csv", "train.csv"], {}),
        (["reviews-train.csv", "reviews-val.csv"], {0: "train", 1: "validation"}),
        (["训练集.csv", "测试集.csv"], {0: "train", 1: "test"}),
    ],
)
def test_only_names_that_speak_clearly_are_believed(names, found):
    splits, _ = splits_of_files(names, {})
    assert splits == {names[i]: split for i, split in found.items()}


def test_splits_by_column(tmp_path):
    path = tmp_path / "a.csv"
    rows = [f"留言{i},{TOPICS[i % 3]},{'训练' if i % 4 else 'Test'}" for i in range(200)]
    rows[5], rows[6] = "留言5,物流,", "留言6,物流,nonsense"
    path.write_text("\n".join(["text,label,split", *rows]), "utf-8")
    examples, quarantine, _, report = read([path], columns={"split": "split"})
    assert examples.column("split").to_pylist()[:6] == [
        "test",
        "train",
        "train",
        "train",
        "test",
        None,
    ]
    assert quarantine.to_pylist()[0]["column"] == "split"
    assert report["splits"]["none"] == 1
    _, quarantine, _, _ = read(
        [path], columns={"split": "split"}, split_values={"nonsense": "validation"}
    )
    assert quarantine.num_rows == 0


def split_file(folder, column, values, rows=200):
    path = folder / "a.csv"
    lines = [f"第{i}条留言,{TOPICS[i % 3]},{values[i % len(values)]}" for i in range(rows)]
    path.write_text("\n".join([f"text,label,{column}", *lines]), "utf-8")
    return path


@pytest.mark.parametrize("column", ["split", "data_split", "集合划分", "subset", "part"])
def test_an_unknown_split_is_never_passed_over(tmp_path, column):
    path = split_file(tmp_path, column, ["train"] * 8 + ["holdout", "test"])
    with pytest.raises(UserError, match="20 of 200 rows are bad") as error:
        read([path])
    assert "the split 'holdout' is unknown" in error.value.where
    assert "ingestion.split_values: {'holdout': test}" in error.value.remedy
    _, _, _, report = read([path], split_values={"holdout": "validation"})
    assert (report["splits"]["validation"], report["splits"]["none"]) == (20, 0)
    _, quarantine, _, report = read([path], max_bad_rows=0.1)
    assert quarantine.num_rows == 20
    assert "the split 'holdout' is unknown" in report["warnings"][-1]


def test_a_column_called_split_is_one_whatever_it_holds(tmp_path):
    with pytest.raises(UserError, match="200 of 200 rows are bad"):
        read([split_file(tmp_path, "split", ["A", "B"])])


@pytest.mark.parametrize(
    ("column", "values"), [("fold", ["0", "1", "2"]), ("part", ["train", "holdout"])]
)
def test_a_column_that_may_be_a_split_is_told(tmp_path, column, values):
    path = split_file(tmp_path, column, values)
    _, _, _, report = read([path])
    assert report["splits"]["none"] == 200
    [warning] = report["warnings"]
    assert f"Not used as splits: '{column}' holds" in warning
    assert "ingestion.columns.split" in warning


def test_ordinary_columns_are_no_splits(tmp_path):
    for column, values in (("city", ["北京", "上海"]), ("score", ["1", "2"])):
        assert read([split_file(tmp_path, column, values)])[3]["warnings"] == []


def test_split_values_without_a_column_are_refused(tmp_path):
    with pytest.raises(UserError, match="no column of splits"):
        read([csv_file(tmp_path)], split_values={"holdout": "test"})


def test_one_column_cannot_be_text_and_label(tmp_path):
    with pytest.raises(UserError, match="given both for the text and the label"):
        read([csv_file(tmp_path)], columns={"text": "text", "label": 0})


def test_repeated_ids_name_both_rows(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text,label\n1,甲,a\n2,乙,b\n1,丙,a\n", "utf-8")
    with pytest.raises(UserError, match="'1' stands twice") as error:
        read([path], columns={"id": "id"})
    assert error.value.where == "a.csv:2 and a.csv:4"


def test_ids_are_looked_at_only_where_they_may_repeat(tmp_path, monkeypatch):
    def refuse(*_):
        raise AssertionError

    monkeypatch.setattr("wenliu.pipelines.ingestion.ids.digests", refuse)
    assert read([csv_file(tmp_path)])[0].column("id")[0].as_py() == "a.csv:2"


def test_records_in_one_line_are_told(tmp_path):
    rows = [{"text": f"留言{i}", "label": TOPICS[i % 3]} for i in range(6)]
    (tmp_path / "a.json").write_text(json.dumps(rows), "utf-8")
    _, _, _, report = read([tmp_path / "a.json"])
    assert "'a.json:1' stands at a.json:1 and at a.json:1" in report["warnings"][0]


def test_an_id_may_not_be_another_rows_place(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,text,label\n,甲,a\na.csv:2,乙,b\n", "utf-8")
    with pytest.raises(UserError, match=r"'a\.csv:2' stands twice"):
        read([path], columns={"id": "id"})


def test_blocks_and_parts_do_not_show(tmp_path, monkeypatch):
    lines = [f"{i},第{i}位的留言,{TOPICS[i % 3]},g{i // 4},train" for i in range(200)]
    for row in (7, 8, 60, 150):
        lines[row] = f"{row},第{row}位的留言,,g,train"
    lines[61] = "61,坏\ufffd字,物流,g,train"
    (tmp_path / "a.csv").write_text("\n".join(["id,text,label,group,split", *lines[:120]]), "utf-8")
    (tmp_path / "b.csv").write_text("\n".join(["id,text,label,group,split", *lines[120:]]), "utf-8")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    whole = read(paths, max_bad_rows=0.1)
    monkeypatch.setattr("wenliu.gathering.PART_ROWS", 30)
    monkeypatch.setattr("wenliu.readers.files._BLOCK_ROWS", 11)
    small = read(paths, max_bad_rows=0.1)
    assert len(small[0].to_batches()) > 5
    assert [each if isinstance(each, dict) else each.to_pylist() for each in small] == [
        each if isinstance(each, dict) else each.to_pylist() for each in whole
    ]
    assert whole[1].column("line").to_pylist() == [9, 10, 62, 63, 32]
    assert whole[3]["groups"] == 50


def test_found_ids_that_repeat_across_files_are_left_aside(tmp_path):
    for name in ("train.csv", "test.csv"):
        rows = "\n".join(f"{i},留言{i},{TOPICS[i % 3]}" for i in range(9))
        (tmp_path / name).write_text("id,text,label\n" + rows, "utf-8")
    examples, _, _, report = read(sorted(tmp_path.iterdir()))
    assert examples.column("id")[0].as_py() == "test.csv:2"
    assert "not used" in report["warnings"][0]


def export(tmp_path, night, ids, name="export.csv"):
    """A file of the inbox; its name need not tell of its content, nobody checks it here."""
    lines = [f"{i},第{i}条留言 第{night}夜,{TOPICS[i % 3]}" for i in ids]
    path = tmp_path / "accepted" / f"2026010{night}T000000Z_0123456789ab_{name}"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(["id,text,label", *lines]), "utf-8")
    return path


@pytest.mark.parametrize("columns", [{}, {"id": "id"}], ids=["found", "given"])
def test_an_export_with_ids_of_an_older_one_keeps_its_rows_and_no_other_id_changes(
    tmp_path, monkeypatch, columns
):
    monkeypatch.setattr("wenliu.pipelines.ingestion.checks.check_unchanged", lambda files: None)
    own = tmp_path / "own.csv"
    own.write_text(export(tmp_path, 0, range(30)).read_text("utf-8"), "utf-8")
    nights = [
        export(tmp_path, 1, range(100, 130)),
        export(tmp_path, 2, [*range(5, 10), *range(200, 225)], "corrected.csv"),
        export(tmp_path, 3, [*range(300, 320), *range(300, 310)], "twice.csv"),
        export(tmp_path, 4, range(400, 430)),
    ]
    before: list[str] = []
    for night in range(5):
        examples, _, _, report = read([own, *nights[:night]], columns=columns)
        ids = examples.column("id").to_pylist()
        assert ids[: len(before)] == before
        assert len(set(ids)) == len(ids) == 30 * (night + 1)
        before = ids
    assert before[0] == "0" and before[30] == "100" and before[120] == "400"
    assert before[60:62] == [f"{nights[1].name}:2", f"{nights[1].name}:3"]
    assert before[90] == f"{nights[2].name}:2"
    told = [warning for warning in report["warnings"] if "are not used" in warning]
    assert len(told) == 2
    assert f"'5' stands at own.csv:7 and at {nights[1].name}:2" in told[0]
    assert f"'300' stands at {nights[2].name}:2 and at {nights[2].name}:22" in told[1]


def test_limit_takes_the_first_rows_of_each_file(tmp_path):
    paths = [csv_file(tmp_path, name) for name in ("a.csv", "b.csv", "c.csv")]
    examples, _, _, report = read(paths, limit=20)
    assert [file["rows"] for file in report["files"]] == [7, 7, 6]
    assert examples.column("line").to_pylist()[:3] == [2, 3, 4]


def test_large_files_come_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("wenliu.gathering.PART_ROWS", 25)
    monkeypatch.setattr("wenliu.readers.files._BLOCK_ROWS", 7)
    examples, _, _, _ = read([csv_file(tmp_path)])
    assert [batch.num_rows for batch in examples.to_batches()] == [25, 25, 10]
    assert examples.column("line").to_pylist() == list(range(2, 62))


def test_files_of_one_name_in_two_folders(tmp_path):
    paths = []
    for folder in ("x/raw", "y/raw"):
        (tmp_path / folder).mkdir(parents=True)
        paths.append(csv_file(tmp_path / folder))
    examples, _, _, _ = read(paths)
    assert examples.column("source").unique().to_pylist() == ["x/raw/a.csv", "y/raw/a.csv"]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("text,label\n好,a\n坏,a\n", "All 2 rows have the label 'a'"),
        ("甲,乙\n1,2\n", "No text column was found"),
        ("text,other\n" + "".join(f"第{i}条,{i}\n" for i in range(5)), "No label column"),
    ],
)
def test_files_that_are_no_problem(tmp_path, content, found):
    (tmp_path / "a.csv").write_text(content, "utf-8")
    with pytest.raises(UserError, match=found):
        read([tmp_path / "a.csv"])


def test_the_pipeline_has_typed_parameters_and_bare_names():
    from wenliu.pipelines.ingestion.pipeline import create_pipeline

    pipeline = create_pipeline()
    assert pipeline.inputs() == {"raw_files", "frozen_sets", "params:ingestion", "settled_intakes"}
    assert pipeline.outputs() == {"examples", "quarantine", "label_map", "ingestion_report"}


def test_the_parameters_file_states_the_defaults():
    yaml = pytest.importorskip("yaml")
    conf = Path(__file__).parents[3] / "conf" / "base" / "parameters" / "ingestion.yml"
    written = yaml.safe_load(conf.read_text("utf-8"))["ingestion"]
    assert IngestionParams.model_validate(written) == IngestionParams()
    assert set(written) == set(IngestionParams.model_fields)


@needs_bench
def test_chnsenticorp_comes_out_whole():
    paths = sorted((BENCH / "classification" / "chnsenticorp").glob("*.tsv"))
    _, quarantine, _, report = read(paths)
    assert report["splits"] == {
        "found_by": "file names",
        "train": 9600,
        "validation": 1200,
        "test": 1200,
        "none": 0,
    }
    assert quarantine.num_rows == 0


@needs_bench
def test_thucnews_titles_and_their_names():
    folder = BENCH / "classification" / "thucnews_titles"
    _, quarantine, label_map, report = read(sorted(folder.glob("*.txt")), label_names="class.txt")
    # 33 titles hold U+FFFD: whoever made the file decoded it wrongly.
    assert (report["rows"], quarantine.num_rows) == (9967, 33)
    assert label_map["labels"][0] == "finance"


@needs_bench
def test_medical_questions_with_embedded_newlines():
    _, _, label_map, report = read([BENCH / "messy" / "medical_qa.gb18030.csv"])
    assert report["rows"] == 7644
    assert report["files"][0]["encoding"] == "gb18030"
    assert report["files"][0]["columns"] == {"text": "ask", "label": "department"}
    assert len(label_map["labels"]) == 11
