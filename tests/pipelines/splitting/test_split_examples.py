"""Rows keep their side: as data grow, as twins, as groups, whatever is given."""

import json
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.codes import numbered_names
from wenliu.errors import UserError
from wenliu.params import SplittingParams
from wenliu.part import Part
from wenliu.parts import Parts
from wenliu.pipelines.audit.rows import Rows
from wenliu.pipelines.splitting.narrow import NarrowRows, group_numbers
from wenliu.pipelines.splitting.nodes import split_examples
from wenliu.pipelines.splitting.shares import check_class_sizes
from wenliu.schemas import CleanExamples, SplitExamples
from wenliu.text.normal_form import normal_form_v1

LABELS = ["甲", "乙"]
UNCHECKED = SplittingParams(min_rows_per_class=0, max_share_difference=1.0)


def table(texts, splits=None, groups=None, labels=None, chunk=1000):
    count = len(texts)
    labels = labels or [LABELS[i % 2] for i in range(count)]
    columns = {
        "id": [f"a.csv:{i}" for i in range(count)],
        "text": texts,
        "label": labels,
        "label_id": [LABELS.index(label) if label in LABELS else 2 for label in labels],
        "split": splits or [None] * count,
        "group": groups or [None] * count,
        "source": ["a.csv"] * count,
        "line": list(range(count)),
        "clean_text": texts,
        "edits": [None] * count,
    }
    data = pa.table(columns, schema=CleanExamples.arrow())
    return pa.Table.from_batches(data.to_batches(max_chunksize=chunk), schema=data.schema)


DEFAULTS = SplittingParams()


def split(data, params=DEFAULTS, labels=LABELS, frozen=None):
    parts, report = split_examples(data, {"labels": labels}, frozen or {}, params)
    result = parts.table()
    SplitExamples.validate(result)
    json.dumps(report)
    assert report["rows"] == result.num_rows == data.num_rows
    assert result.column("id").equals(data.column("id"))
    return result.column("split").to_pylist(), report, result


def many(count=2000):
    return [f"第{i}条各不相同的留言" for i in range(count)]


def test_shares_are_about_right():
    sides, report, result = split(table(many(5000)))
    assert abs(sides.count("test") / 5000 - 0.1) < 0.02
    assert abs(sides.count("validation") / 5000 - 0.1) < 0.02
    assert report["splits"] == {s: sides.count(s) for s in ("train", "validation", "test")}
    assert not any(result.column("split_given").to_pylist())
    assert report["labels"]["train"]["甲"] + report["labels"]["train"]["乙"] == sides.count("train")


def test_groups_that_given_splits_part_are_told_of_across_parts():
    splits = ["train", "validation", "test", "train"] * 5
    groups = [None, "甲组", "乙组", None, None, "乙组", "丙组", "乙组", *[None] * 12]
    _, report, _ = split(table(many(20), splits, groups, chunk=3), UNCHECKED)
    assert report["warnings"][-1] == "Given splits part 1 groups, the first is '乙组'."
    groups[4:8] = [None] * 4
    assert split(table(many(20), splits, groups, chunk=3), UNCHECKED)[1]["warnings"] == []


#: Counts what is allocated from it, and outlives everything that is.
POOL = pa.proxy_memory_pool(pa.default_memory_pool())


@pytest.mark.parametrize("of", [NarrowRows.of, Rows.of])
def test_names_are_never_held_of_all_rows(of, tmp_path):
    """Ten parts whose groups take 16 MB and file names 11: one part's are in memory."""
    rows, parts = 5_000, []
    for number in range(10):
        name = f"{number}" + "很长的文件名" * 12
        columns = {
            "split": ["train"] * rows,
            "label_id": pa.array([0] * rows, pa.int32()),
            "group": [f"{'用户' * 50}{place // 3:09}" for place in range(rows)],
            "source": [name] * rows,
        }
        parts.append(Part.of(pa.record_batch(columns)))
    schema = parts[0].columns["split"].batch.schema
    Parts(schema, parts).write(tmp_path, "parquet")
    stored = Parts.open(tmp_path)
    del parts
    before = pa.default_memory_pool()
    pa.set_memory_pool(POOL)
    try:
        found = of(stored)
        assert 0 < POOL.max_memory() < 6_000_000
    finally:
        pa.set_memory_pool(before)
    assert found.source.tolist() == [number for number in range(10) for _ in range(rows)]
    assert [name[0] for name in found.sources] == list("0123456789")
    if of == NarrowRows.of:
        assert found.groups.tolist() == [place // 3 for place in range(rows)] * 10


def test_rows_without_a_group_and_no_rows_have_no_number():
    some = [pa.array(["b", None, "a"]), pa.array([None, None], pa.string()), pa.array(["a", "b"])]
    assert group_numbers(some).tolist() == [0, -1, 1, -1, -1, 1, 0]
    assert group_numbers([]).tolist() == group_numbers([pa.array([], pa.string())]).tolist() == []
    numbers, names = numbered_names(column.drop_null() for column in some)
    assert (numbers.tolist(), names) == ([0, 1, 1, 0], ["b", "a"])


texts = st.lists(st.text(max_size=12), min_size=1, max_size=40)


def sides_of(rows):
    """Splits of the rows, behind so many others that training is never empty."""
    filler = many(50)
    return split(table(filler + rows), UNCHECKED)[0][len(filler) :]


@settings(max_examples=50, deadline=None)
@given(old=texts, new=texts)
def test_adding_rows_never_moves_a_row(old, new):
    clean = [text.encode("utf-8", "ignore").decode() for text in old]
    more = [text.encode("utf-8", "ignore").decode() for text in new]
    assert sides_of(clean) == sides_of(more + clean)[len(more) :]


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.text(st.sampled_from("aAＡ\u3000 \u200b好 1１"), max_size=5), max_size=60))
def test_twins_after_the_normal_form_land_on_one_side(rows):
    sides = defaultdict(set)
    for text, side in zip(rows, sides_of(rows), strict=True):
        sides[normal_form_v1(text)].add(side)
    assert all(len(found) == 1 for found in sides.values())


@settings(max_examples=50, deadline=None)
@given(groups=st.lists(st.sampled_from([None, "g1", "g2", "g3", "g4"]), min_size=1, max_size=80))
def test_groups_stay_together(groups):
    filler = many(50)
    data = table(filler + many(len(groups)), groups=[None] * 50 + groups)
    sides = defaultdict(set)
    for group, side in zip(groups, split(data, UNCHECKED)[0][50:], strict=True):
        sides[group].add(side)
    assert all(len(found) == 1 for group, found in sides.items() if group is not None)


def test_chunks_and_cleaning_do_not_matter_but_the_salt_does():
    data = table(many())
    cleaned = data.set_column(8, data.schema.field(8), pa.array(["x"] * data.num_rows))
    assert split(data)[0] == split(cleaned)[0] == split(table(many(), chunk=7))[0]
    assert split(data)[0] != split(data, SplittingParams(salt="other"))[0]


def test_larger_shares_only_take_from_training():
    small, _, _ = split(table(many()), SplittingParams(test=0.1, validation=0.05))
    large, _, _ = split(table(many()), SplittingParams(test=0.1, validation=0.2))
    for before, after in zip(small, large, strict=True):
        assert before == after or (before, after) == ("train", "validation")


def test_given_splits_are_honoured():
    given_splits = ["train"] * 1000 + ["validation"] * 500 + ["test"] * 500
    sides, report, result = split(table(many(), given_splits))
    assert sides == given_splits
    assert all(result.column("split_given").to_pylist())
    assert report["warnings"] == []
    assert report["method"] == "train, validation, test as given"


def test_a_missing_validation_is_hashed_out_of_training():
    given_splits = ["train"] * 1500 + ["test"] * 500
    sides, report, result = split(table(many(), given_splits))
    assert sides[1500:] == ["test"] * 500
    assert set(sides[:1500]) == {"train", "validation"}
    assert report["moved_to_validation"] == sides.count("validation") > 100
    assert sum(result.column("split_given").to_pylist()) == 2000 - sides.count("validation")
    # The same rows as when nothing is given, because the ranges stay where they are.
    free, _, _ = split(table(many()))
    expected = [i for i in range(1500) if free[i] == "validation"]
    assert [i for i, side in enumerate(sides) if side == "validation"] == expected


def test_with_training_and_validation_only_there_is_no_test():
    sides, report, _ = split(table(many(), ["train"] * 1500 + ["validation"] * 500))
    assert sides == ["train"] * 1500 + ["validation"] * 500
    assert report["splits"]["test"] == 0
    assert "There is no test split" in report["warnings"][0]


def test_rows_without_a_split_go_where_nobody_gave_rows():
    given_splits = ["test"] * 300 + [None] * 1700
    sides, report, _ = split(table(many(), given_splits))
    assert sides[:300] == ["test"] * 300
    assert set(sides[300:]) == {"train", "validation"}
    assert "by salted hash" in report["method"]
    sides, _, _ = split(table(many(), ["train"] * 300 + [None] * 1700))
    assert set(sides[300:]) == {"train", "validation", "test"}
    assert "test" not in sides[:300]


def test_given_splits_that_part_a_group_are_told():
    given_splits = ["train"] * 40 + ["validation"] * 10 + ["test"] * 50
    data = table(many(100), given_splits, ["g"] * 100)
    _, report, _ = split(data, UNCHECKED)
    assert any("part 1 groups" in warning for warning in report["warnings"])


def test_too_small_classes_are_named_with_their_counts():
    labels = ["甲"] * 997 + ["乙"] * 3
    with pytest.raises(UserError, match=r"'乙' \(3\)") as error:
        split(table(many(1000), labels=labels))
    assert "'甲'" not in error.value.found
    assert error.value.remedy
    with pytest.raises(UserError, match=r"'丙' \(0\)"):
        split(table(many(1000)), labels=[*LABELS, "丙"])


def test_a_label_that_was_added_may_wait_for_its_first_rows():
    counts = {"train": Counter(a=9), "validation": Counter(a=3), "test": Counter(a=3)}
    assert check_class_sizes(counts, ["a", "新"], DEFAULTS, ["新"]) == []
    with pytest.raises(UserError, match="'新' \\(0\\) rows in all"):
        check_class_sizes(counts, ["a", "新"], DEFAULTS)
    counts["train"]["新"] = 1  # its first row has come: from now on it is a class as any other
    with pytest.raises(UserError, match="'新' \\(1\\) rows in all"):
        check_class_sizes(counts, ["a", "新"], DEFAULTS, ["新"])


def test_a_large_class_that_a_split_lacks_is_a_warning():
    data = table(
        many(100),
        ["train"] * 80 + ["validation"] * 10 + ["test"] * 10,
        labels=[*LABELS * 45, *["甲"] * 10],
    )
    _, report, _ = split(data)
    assert report["warnings"][0] == "The test split has few rows of some classes: '乙' (0)."
    assert "'甲' has 100.0% of test" in report["warnings"][1]


@pytest.mark.parametrize(
    ("splits", "params", "found"),
    [
        (["test"] * 20, {}, "No row is left for training"),
        (None, {"validation": 0.6, "test": 0.4}, "leave nothing for training"),
        (None, {"validation": 0}, "no validation split"),
        (["train"] * 15 + ["test"] * 5, {"validation": 0}, "no validation split"),
        (["train"] * 15 + ["test"] * 5, {"validation": 0.0001}, "No row is left for validation"),
    ],
)
def test_neither_training_nor_validation_is_ever_empty(splits, params, found):
    with pytest.raises(UserError, match=found) as error:
        split(table(many(20), splits), SplittingParams(**params))
    assert "splitting" in error.value.where


def test_without_a_share_the_given_validation_is_enough():
    given_splits = ["train"] * 1000 + ["validation"] * 500 + ["test"] * 500
    assert split(table(many(), given_splits), SplittingParams(validation=0))[0] == given_splits


def test_the_parameters_file_states_the_defaults():
    yaml = pytest.importorskip("yaml")
    conf = Path(__file__).parents[3] / "conf" / "base" / "parameters" / "splitting.yml"
    assert (
        SplittingParams(**yaml.safe_load(conf.read_text("utf-8"))["splitting"]) == SplittingParams()
    )


def test_the_pipeline_has_bare_names():
    from wenliu.pipelines.splitting.pipeline import create_pipeline

    assert create_pipeline().outputs() == {"split_examples", "splitting_report"}
