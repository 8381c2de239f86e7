from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner

from wenliu.errors import UserError
from wenliu.frozen import form_hashes
from wenliu.params import AuditParams
from wenliu.pipelines.audit.nodes import audit_examples, render_audit
from wenliu.pipelines.audit.pipeline import create_pipeline
from wenliu.schemas import AuditedExamples, SplitExamples

LABELS = {"labels": ["差评", "好评"]}
LONG = "客服的态度特别好，问题当天就解决了，给一个大大的赞"


def split_table(rows, chunk=3):
    """(split, label id, text[, clean text]) as ``split_examples``, in chunks like source files."""
    chunks = []
    for start in range(0, len(rows), chunk):
        part = [(*row, row[2])[:4] for row in rows[start : start + chunk]]
        chunks.append(
            pa.table(
                {
                    "id": [f"a.csv:{start + i + 1}" for i in range(len(part))],
                    "text": [row[2] for row in part],
                    "label": [LABELS["labels"][row[1]] for row in part],
                    "label_id": [row[1] for row in part],
                    "split": [row[0] for row in part],
                    "group": [None] * len(part),
                    "source": ["a.csv"] * len(part),
                    "line": [start + i + 1 for i in range(len(part))],
                    "clean_text": [row[3] for row in part],
                    "edits": [None] * len(part),
                    "split_given": [True] * len(part),
                    "eval_set": [None] * len(part),
                },
                schema=pa.schema(
                    [SplitExamples.arrow().field(name) for name in (
                        "id", "text", "label", "label_id", "split", "group", "source", "line",
                        "clean_text", "edits", "split_given", "eval_set",
                    )]
                ),
            )
        )  # fmt: skip
    return pa.concat_tables(chunks)


ROWS = [
    ("train", 1, "物流很快"),  # 0: leak, identical in test
    ("train", 1, "包装完好"),  # 1: stays
    ("train", 1, "包装 完好"),  # 2: repeat
    ("train", 0, "包装完好 "),  # 3: conflict, and so are 1 and 2
    ("train", 0, "ＡＢＣ屏幕坏了"),  # 4: leak, normalised in validation
    ("train", 1, LONG),  # 5: leak, near in test
    ("train", 0, "电池不耐用"),  # 6: stays
    ("train", 0, "电池不耐用"),  # 7: repeat
    ("train", 0, "  \u200b "),  # 8: blank
    ("train", 0, "<br>", ""),  # 9: blank after cleaning
    ("train", 1, "味道不错"),  # 10: stays
    ("validation", 0, "abc屏幕坏了"),  # 11
    ("validation", 0, "音质一般"),  # 12: leak, identical in test
    ("validation", 0, "\u3000"),  # 13: blank, but not training
    ("test", 1, "物流很快"),  # 14
    ("test", 1, LONG.replace("当天", "当日")),  # 15
    ("test", 0, "音质一般"),  # 16
    ("test", 1, "再也不买"),  # 17
    ("test", 1, "味道不错吧"),  # 18: too short to be near
]


def audit(rows=ROWS, **policies):
    parts, report = audit_examples(split_table(rows), LABELS, {}, AuditParams(**policies))
    return parts.table(), report


def test_marks():
    table, report = audit()
    AuditedExamples.validate(table)
    assert table["dropped"].to_pylist() == [
        "leak", "conflict", "conflict", "conflict", "leak", "leak", None, "repeat", "blank",
        "blank", None, None, "leak", None, None, None, None, None, None,
    ]  # fmt: skip
    assert table["leak"].to_pylist() == [
        *[None] * 11, "normalised", None, None, "identical", "near", None, None, None,
    ]  # fmt: skip
    assert report["dropped"] == {"blank": 2, "leak": 4, "conflict": 3, "repeat": 1}
    assert report["rows"] == 19
    assert report["splits"]["train"]["kept"] == 2


def test_counts_are_cumulative():
    _, report = audit()
    assert report["leaks"] == {
        "test_in_train": {"identical": 1, "normalised": 1, "near": 2},
        "validation_in_train": {"identical": 0, "normalised": 1, "near": 1},
        "test_in_validation": {"identical": 1, "normalised": 1, "near": 1},
    }
    assert report["repeats"]["train"] == {"identical": 1, "normalised": 3, "near": 3}
    assert report["conflicts"] == {
        "texts": 1, "texts_in_train": 1, "rows": 3, "rows_in_train": 3,
    }  # fmt: skip
    assert report["blank"] == {"train": 2, "validation": 1, "test": 0}


def test_everything_else_stays_as_it_was():
    before = split_table(ROWS)
    assert audit()[0].select(before.column_names).equals(before)


def test_keep_drops_blank_rows_only_and_still_marks_leaks():
    table, _ = audit(leaks="keep", repeats="keep", conflicts="keep")
    dropped = table["dropped"].to_pylist()
    assert [i for i, reason in enumerate(dropped) if reason] == [8, 9]
    assert table["leak"].to_pylist()[14:16] == ["identical", "near"]


def test_the_first_repeat_stays_when_conflicts_are_kept():
    table, _ = audit(conflicts="keep")
    assert table["dropped"].to_pylist()[1:4] == [None, "repeat", "repeat"]


@pytest.mark.parametrize(("policy", "count"), [("leaks", "4 rows"), ("repeats", "3 rows"),
                                               ("conflicts", "3 rows")])  # fmt: skip
def test_fail_names_the_policy_the_count_and_three_examples(policy, count):
    with pytest.raises(UserError) as error:
        audit(**{policy: "fail"})
    assert count in error.value.found
    assert f"audit.{policy}" in error.value.found
    assert error.value.where.count("a.csv:") == 3


def test_fail_lets_clean_data_pass():
    rows = [("train", 0, "一句话"), ("train", 1, "另一句"), ("test", 0, "第三句")]
    _, report = audit(rows, leaks="fail", repeats="fail", conflicts="fail")
    assert sum(report["dropped"].values()) == 0
    assert report["warnings"] == []


def test_nothing_left_is_an_error():
    with pytest.raises(UserError, match="none of the 1 training rows"):
        audit([("train", 0, "同一句"), ("test", 0, "同一句")])


def test_near_is_measured_as_the_parameters_say():
    twin = LONG.replace("当天", "当日").replace("大大", "小小")
    rows = [("train", 1, LONG), ("train", 0, "无关"), ("test", 1, twin)]
    assert audit(rows)[1]["leaks"]["test_in_train"]["near"] == 0
    assert audit(rows, near_similarity=0.8)[1]["leaks"]["test_in_train"]["near"] == 1
    assert audit(rows, near_similarity=0.8, near_min_chars=30)[1]["leaks"]["test_in_train"] == {
        "identical": 0, "normalised": 0, "near": 0,
    }  # fmt: skip


def test_samples_show_what_was_found():
    _, report = audit(samples=2)
    first = report["samples"]["test_in_train"][0]
    assert first["closeness"] == "near"
    assert first["twin"]["id"] == "a.csv:6" or first["twin"]["text"] == LONG
    assert report["samples"]["conflicts"][0]["labels"] == {"差评": 1, "好评": 2}
    assert report["samples"]["most_repeated"][0]["rows"] == 3
    _, none = audit(samples=0)
    assert not any(none["samples"].values())


def test_long_texts_are_cut_in_samples():
    rows = [("train", 0, "长" * 600), ("train", 1, "短"), ("test", 0, "长" * 600)]
    _, report = audit(rows)
    assert len(report["samples"]["test_in_train"][0]["row"]["text"]) == 120
    assert report["splits"]["test"]["long_rows"] == 1


def test_warnings():
    _, report = audit()
    assert any("test rows (40.0 %) have a twin in train" in w for w in report["warnings"])
    assert any("validation rows are blank" in w for w in report["warnings"])
    _, report = audit([("train", 0, "剩下"), ("train", 1, "泄漏"), ("test", 1, "泄漏")])
    assert any("'好评' has no training row left" in w for w in report["warnings"])


def frozen_sets(*texts):
    hashes = [f"{value:016x}" for value in form_hashes(list(texts)).tolist()]
    return {
        "problem": "p", "frozen_at": "2026-11-01", "labels": LABELS["labels"], "salt": "wenliu",
        "test": 0.1, "validation": 0.1, "dealt": [], "undealt": [],
        "gate": "\n".join(hashes[::2]), "audit": "\n".join(hashes[1::2]),
    }  # fmt: skip


@pytest.mark.parametrize("split", ["train", "validation"])
@pytest.mark.parametrize("text", ["味道不错", "\ufeff味\u200b道 不錯"])
def test_frozen_rows_that_would_be_learned_from_stop_the_run(split, text):
    """Reliability 16: whatever splitting did, the texts themselves are looked at once more."""
    rows = [*ROWS, (split, 1, text)]
    clean, _ = audit_examples(split_table(rows), LABELS, frozen_sets("再也不买"), AuditParams())
    assert clean.num_rows == len(rows)
    sets = frozen_sets("再也不买", "味道不错")
    left = [row for row in rows if row[2] != "味道不错" or row is rows[-1]]
    with pytest.raises(UserError, match="1 rows would be learned from") as error:
        audit_examples(split_table(left), LABELS, sets, AuditParams())
    assert f"a.csv:{len(left)}" in error.value.where
    assert "splitting.split_examples" in error.value.remedy


def test_a_frozen_text_with_two_labels_is_told():
    """Reliability 23: one text with two labels is reported, most of all where it judges."""
    rows = [*ROWS, ("test", 0, "再也 不买")]
    _, report = audit_examples(split_table(rows), LABELS, frozen_sets("再也不买"), AuditParams())
    assert report["frozen"]["rows"] == 2 and report["frozen"]["conflicts"] == 1
    assert report["warnings"][-1] == "1 frozen texts stand in the data with several labels."
    _, report = audit_examples(split_table(ROWS), LABELS, frozen_sets("再也不买"), AuditParams())
    assert report["frozen"]["conflicts"] == 0
    assert "frozen" not in audit()[1]


def test_each_file_is_told_what_it_brought():
    first, second = split_table(ROWS[:8]), split_table(ROWS[8:])
    source = second.schema.get_field_index("source")
    second = second.set_column(source, "source", pa.array(["b.csv"] * second.num_rows))
    both = pa.concat_tables([first, second.cast(first.schema)])
    _, report = audit_examples(both, LABELS, {}, AuditParams())
    assert report["sources"] == {
        "a.csv": {
            "rows": 8, "repeats": 3, "conflicts": 3,
            "dropped": {"blank": 0, "leak": 3, "conflict": 3, "repeat": 1},
        },
        "b.csv": {
            "rows": 11, "repeats": 3, "conflicts": 0,
            "dropped": {"blank": 2, "leak": 1, "conflict": 0, "repeat": 0},
        },
    }  # fmt: skip
    assert "from a.csv, b.csv" in render_audit(report)


def test_page_shows_it_escaped():
    rows = [
        ("train", 0, "<script>x</script>"),
        ("train", 1, "y"),
        ("test", 0, "<script>x</script>"),
    ]
    page = render_audit(audit(rows)[1])
    assert "&lt;script&gt;x" in page
    assert "<script" not in page
    assert "差评" in page
    without_test = [("train", 0, "甲"), ("train", 1, "乙"), ("validation", 0, "丙")]
    assert "1 validation" in render_audit(audit(without_test)[1])


def test_pipeline_runs_with_bare_names():
    data = {
        "split_examples": split_table(ROWS),
        "label_map": LABELS,
        "frozen_sets": {},
        "params:audit": AuditParams(),
    }
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in data.items()})
    pipeline = create_pipeline()
    assert pipeline.inputs() == set(data)
    assert all(node.namespace == "audit" for node in pipeline.nodes)
    outputs = SequentialRunner().run(pipeline, catalog)
    assert outputs["audit_page"].load().startswith("<!doctype html>")


def chnsenticorp():
    root = Path(__file__).parents[3]
    data = Path(os.environ.get("WENLIU_BENCH_DATA", root.parent / "shared" / "data"))
    folder = data / "classification" / "chnsenticorp"
    if not folder.is_dir():
        pytest.skip(f"ChnSentiCorp is not at {folder}; WENLIU_BENCH_DATA names the data folder")
    rows = []
    for name, split in (("train", "train"), ("dev", "validation"), ("test", "test")):
        for line in (folder / f"{name}.tsv").read_text(encoding="utf-8").split("\n")[1:]:
            if line:
                label, text = line.split("\t", 1)
                rows.append((split, int(label), text))
    return rows


def test_chnsenticorp_counts():
    rows = chnsenticorp()
    parts, report = audit_examples(split_table(rows, 5000), LABELS, {}, AuditParams())
    leaks = report["leaks"]
    assert [side["rows"] for side in report["splits"].values()] == [9600, 1200, 1200]
    assert leaks["test_in_train"] == {"identical": 331, "normalised": 333, "near": 336}
    assert leaks["validation_in_train"] == {"identical": 338, "normalised": 340, "near": 346}
    assert leaks["test_in_validation"]["identical"] == 40
    assert report["repeats"]["train"]["identical"] == 1351
    assert report["conflicts"]["texts"] == 36
    assert report["conflicts"]["texts_in_train"] == 24
    # What is left of training shares no text with the exams.
    table = parts.table()
    left = table.filter(table["dropped"].is_null()).drop_columns(["leak", "dropped"])
    again, report = audit_examples(left, LABELS, {}, AuditParams())
    assert report["dropped"] == {"blank": 0, "leak": 0, "conflict": 0, "repeat": 0}
    assert set(again.column("leak").to_pylist()) == {None}
