"""What is frozen stays test, whatever comes later; each text judges once."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wenliu.errors import UserError
from wenliu.frozen import Frozen, form_hashes, is_audit
from wenliu.params import AuditParams, SplittingParams
from wenliu.pipelines.audit.nodes import audit_examples
from wenliu.pipelines.splitting.nodes import split_examples
from wenliu.schemas import CleanExamples, SplitExamples
from wenliu.text.hashing import stable_fraction
from wenliu.text.normal_form import normal_form_v1

LABELS = ["甲", "乙"]
UNCHECKED = SplittingParams(min_rows_per_class=0, max_share_difference=1.0)


def table(rows, first=0):
    """``(text, given split, group, source, label id)``, the last four as far as given."""
    filled = [(*row, *(None, None, "a.csv", n % 2)[len(row) - 1 :]) for n, row in enumerate(rows)]
    columns = {
        "id": [f"{row[3]}:{first + n}" for n, row in enumerate(filled)],
        "text": [row[0] for row in filled],
        "label": [LABELS[row[4]] for row in filled],
        "label_id": [row[4] for row in filled],
        "split": [row[1] for row in filled],
        "group": [row[2] for row in filled],
        "source": [row[3] for row in filled],
        "line": list(range(len(filled))),
        "clean_text": [row[0] for row in filled],
        "edits": [None] * len(filled),
    }
    return pa.table(columns, CleanExamples.arrow())


def split(rows, content=None, params=UNCHECKED):
    parts, report = split_examples(table(rows), {"labels": LABELS}, content or {}, params)
    found = parts.table()
    SplitExamples.validate(found)
    return found["split"].to_pylist(), found["eval_set"].to_pylist(), report


def freeze(rows, undealt=(), dealt=("test", "validation")):
    """Content of a ``frozen.yml`` of these rows, as ``wenliu freeze`` makes it."""
    sides = split(rows)[0]
    forms = {
        normal_form_v1(row[0]) for row, side in zip(rows, sides, strict=True) if side == "test"
    }
    forms.discard("")
    halves: dict[bool, list[str]] = {True: [], False: []}
    for form in sorted(forms):
        halves[is_audit(form, "wenliu")].append(f"{form_hashes([form])[0]:016x}")
    return {
        "problem": "p", "frozen_at": "2026-11-01", "reason": "", "labels": LABELS,
        "salt": "wenliu", "test": 0.1, "validation": 0.1, "dealt": list(dealt),
        "undealt": list(undealt),
        "gate": "\n".join(halves[False]), "audit": "\n".join(halves[True]),
    }  # fmt: skip


def rows_of(count, start=0, source="a.csv"):
    return [
        (f"第{i}条各不相同的留言 abc Ａ", None, None, source) for i in range(start, start + count)
    ]


OLD = rows_of(400)
CONTENT = freeze(OLD)
SIDES, SETS, REPORT = split(OLD, CONTENT)
FROZEN = [text for (text, *_), mark in zip(OLD, SETS, strict=True) if mark]


def test_the_test_side_becomes_gate_and_audit_and_no_row_moves():
    assert split(OLD)[0] == SIDES
    assert [mark is not None for mark in SETS] == [side == "test" for side in SIDES]
    assert set(SETS) == {None, "gate", "audit"}
    assert REPORT["frozen"] == {
        "frozen_at": "2026-11-01", "gate": SETS.count("gate"), "audit": SETS.count("audit"),
        "fresh": 0, "gone": 0, "copies": 0, "moved_to_test": 0,
    }  # fmt: skip


def test_without_frozen_sets_nothing_is_marked():
    _, sets, report = split(OLD)
    assert set(sets) == {None} and report["frozen"] is None


FULL_WIDTH = str.maketrans({chr(code): chr(code + 0xFEE0) for code in range(0x21, 0x7F)})
DISGUISES = {
    "same": lambda text: text,
    "full width": lambda text: text.translate(FULL_WIDTH),
    "traditional": lambda text: text.replace("条", "條"),
    "zero width": lambda text: "\ufeff" + "\u200b".join(text) + "\u200d",
    "blanks and case": lambda text: f"\u3000{text.upper()}\n",
}


@settings(max_examples=25, deadline=None)
@given(
    later=st.lists(
        st.tuples(
            st.integers(0, len(FROZEN) - 1),
            st.sampled_from(sorted(DISGUISES)),
            st.sampled_from([None, "train", "validation", "test"]),
            st.sampled_from([None, "g1", "g2"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_no_disguise_brings_a_frozen_text_into_training(later):
    """Reliability 16: full width, traditional, zero width: 0 frozen rows are learned from."""
    rows, first = list(OLD), []
    for which, disguise, given_split, group, before in later:
        row = (DISGUISES[disguise](FROZEN[which]), given_split, group, "later.csv")
        (first if before else rows).append(row)
    rows = first + rows
    parts, _ = split_examples(table(rows), {"labels": LABELS}, CONTENT, UNCHECKED)
    sides, sets = (parts.column(name).to_pylist() for name in ("split", "eval_set"))
    marks = defaultdict(list)
    frozen = {normal_form_v1(text) for text in FROZEN}
    for (text, *_), side, mark in zip(rows, sides, sets, strict=True):
        if normal_form_v1(text) in frozen:
            assert side == "test"
            marks[normal_form_v1(text)].append(mark)
    expected = dict(zip([row[0] for row in OLD], SETS, strict=True))
    for text in FROZEN:  # once, and in the set it was frozen in
        found = [mark for mark in marks[normal_form_v1(text)] if mark]
        assert found == [expected[text]]
    # The rest keeps the side it had.
    assert sides[len(first) : len(first) + len(OLD)] == SIDES
    audited, report = audit_examples(parts, {"labels": LABELS}, CONTENT, AuditParams(samples=0))
    learned = audited.table().filter(pa.compute.field("dropped").is_null())
    texts = learned.filter(pa.compute.field("split") != "test")["text"].to_pylist()
    assert not frozen & {normal_form_v1(text) for text in texts}
    assert report["frozen"]["rows"] == len(FROZEN) + len(later)


def test_what_hashes_to_test_later_is_fresh_and_everything_else_trains():
    more = rows_of(500, 400, "b.csv")
    sides, sets, report = split([*OLD, *more], CONTENT)
    assert sides[:400] == SIDES and sets[:400] == SETS
    for (text, *_), side, mark in zip(more, sides[400:], sets[400:], strict=True):
        fraction = stable_fraction(f"text:{normal_form_v1(text)}", "wenliu")
        expected = "test" if fraction < 0.1 else "validation" if fraction < 0.2 else "train"
        assert side == expected
        assert mark == ("fresh" if side == "test" else None)
    assert report["frozen"]["fresh"] == sets.count("fresh") > 20


def test_a_fresh_text_that_comes_twice_judges_once():
    more = rows_of(200, 400, "b.csv")
    _, once, _ = split([*OLD, *more], CONTENT)
    _, twice, report = split([*OLD, *more, *more], CONTENT)
    assert twice[: len(once)] == once and set(twice[len(once) :]) == {None}
    assert report["frozen"]["copies"] == once.count("fresh")


GIVEN = [
    *((f"给定的训练留言第{i}条", "train", None, "train.csv") for i in range(300)),
    *((f"给定的验证留言第{i}条", "validation", None, "dev.csv") for i in range(60)),
    *((f"给定的测试留言第{i}条", "test", None, "test.csv") for i in range(60)),
]


def test_new_rows_are_dealt_though_the_first_files_brought_their_splits():
    content = freeze(GIVEN, dealt=())
    sides, sets, _ = split([*GIVEN, *rows_of(400)], content)
    assert sides[:420] == [row[1] for row in GIVEN]
    assert [m for m in sets[:420] if m] and sets[:360] == [None] * 360
    new = sides[420:]
    # Validation was given: it stays as it is, and the rest trains.
    assert set(new) == {"train", "test"} and 15 < new.count("test") < 70
    assert sets[420:].count("fresh") == new.count("test")


def test_rows_that_were_not_dealt_when_it_was_frozen_keep_training():
    mixed = [*GIVEN, *rows_of(300, source="open.csv")]
    before = split(mixed)[0]
    assert "test" not in before[420:]
    content = freeze(mixed, undealt=["open.csv"], dealt=())
    sides, _, _ = split([*mixed, *rows_of(300, 300, "night.csv")], content)
    assert sides[: len(before)] == before
    assert "test" in sides[len(before) :]


def test_files_that_bring_validation_or_test_along_later_move_nobody():
    more = [
        *((f"后来给定的验证第{i}条", "validation", None, "dev.csv") for i in range(30)),
        *((f"后来给定的测试第{i}条", "test", None, "test.csv") for i in range(30)),
    ]
    sides, sets, _ = split([*OLD, *more], CONTENT)
    assert sides[:400] == SIDES and sets[:400] == SETS
    assert sides[400:] == [row[1] for row in more]
    assert sets[400:] == [None] * 30 + ["fresh"] * 30


def test_groups_stay_together_and_their_new_rows_are_fresh():
    groups = [(f"第{i}位顾客的话", None, f"g{i % 40}", "a.csv") for i in range(400)]
    content = freeze(groups)
    before, sets, _ = split(groups, content)
    more = [(f"第{i}位顾客后来的话", None, f"g{i % 40}", "b.csv") for i in range(80)]
    after, marks, report = split([*groups, *more], content)
    assert after[:400] == before and marks[:400] == sets
    sides = defaultdict(set)
    for row, side in zip([*groups, *more], after, strict=True):
        sides[row[2]].add(side)
    assert all(len(found) == 1 for found in sides.values())
    assert {m for m, side in zip(marks[400:], after[400:], strict=True) if side == "test"} == {
        "fresh"
    }
    assert not any("part" in warning for warning in report["warnings"])


def test_a_row_that_is_test_by_itself_comes_before_one_that_only_its_text_sends_there():
    """A text in given training and in given test is judged with the label that test gave it."""
    both = GIVEN[-1][0]
    rows = [(both, "train", None, "train.csv", 1), *GIVEN]
    sides, sets, report = split(rows, freeze(GIVEN, dealt=()))
    assert sides[0] == sides[-1] == "test"
    assert sets[0] is None and sets[-1] in ("gate", "audit")
    assert report["frozen"]["moved_to_test"] == report["frozen"]["copies"] == 1


def test_blank_texts_judge_nothing():
    blanks = [("  ", None), ("\u200b", "test"), ("", "test")]
    _, sets, _ = split([*OLD, *blanks], CONTENT)
    assert sets[400:] == [None] * 3


@pytest.mark.parametrize(("name", "value"), [("test", 0.2), ("validation", 0.2), ("salt", "x")])
def test_other_rules_than_the_frozen_ones_are_refused(name, value):
    params = SplittingParams(**{**UNCHECKED.model_dump(), name: value})
    with pytest.raises(UserError, match="frozen with other splitting parameters") as error:
        split(OLD, CONTENT, params)
    assert f"splitting.{name}: {value!r}" in error.value.where
    assert "delete frozen.yml" in error.value.remedy


def test_frozen_rows_that_are_gone_are_told_and_many_stop_the_run():
    left = [row for row in OLD if row[0] != FROZEN[0]]
    _, _, report = split(left, CONTENT)
    assert report["frozen"]["gone"] == 1
    assert f"1 of {len(FROZEN)} frozen texts are gone" in report["warnings"][0]
    left = [row for row in OLD if row[0] not in FROZEN[: len(FROZEN) // 10 + 1]]
    with pytest.raises(UserError, match="frozen texts are gone") as error:
        split(left, CONTENT)
    assert "max_frozen_gone: 0.05" in error.value.where
    allowed = SplittingParams(**{**UNCHECKED.model_dump(), "max_frozen_gone": 0.5})
    assert split(left, CONTENT, allowed)[2]["frozen"]["gone"] > 1


def test_the_content_is_read_as_it_is_written():
    frozen = Frozen.of(CONTENT)
    assert len(np.intersect1d(frozen.gate, frozen.audit)) == 0
    assert len(frozen.gate) + len(frozen.audit) == len(FROZEN)
    assert Frozen.of({}) is None
    conf = Path(__file__).parents[3] / "conf/base/catalog/01_raw.yml"
    assert "wenliu.datasets.FrozenSetsDataset" in conf.read_text("utf-8")
