"""The newest intake against the older rows, through a real bundle."""

import re

import numpy as np
import pyarrow as pa
import pytest

from wenliu.params import DriftParams, Limits, ModelParams
from wenliu.part import Part
from wenliu.parts import Parts
from wenliu.pipelines.drift.bigrams import bigrams
from wenliu.pipelines.drift.measures import bigram_measure
from wenliu.pipelines.drift.nodes import measure_drift, show_drift
from wenliu.pipelines.drift.sampling import Sample, sample_rows
from wenliu.schemas import AuditedExamples
from wenliu.settled import NOTHING_SETTLED

LABELS = ["物流", "质量", "售后"]
PARTS_OF_TEXTS = (
    ["快递", "包裹", "客服", "颜色", "退款", "手机壳", "充电器", "衣服"],
    ["三天了", "昨天", "上周", "一直", "已经", "今天早上"],
    ["还没到", "坏了", "不理人", "和图片不一样", "掉色", "用不了", "很好", "不错"],
)
#: Another kind of text: long, with characters that no older row has.
POEMS = [
    "飞流直下三千尺疑是银河落九天",
    "两岸猿声啼不住轻舟已过万重山",
    "孤帆远影碧空尽唯见长江天际流",
]
OLD, NEWER = "app.jsonl", "20261103T020000Z_0123456789ab_周报.csv"
OLDER = "20261102T020000Z_aaaaaaaaaaaa_周报.csv"


def messages(n, seed):
    random = np.random.default_rng(seed)
    return [
        "".join(random.choice(part) for part in PARTS_OF_TEXTS) + "。" * int(random.integers(3))
        for _ in range(n)
    ]


def poems(n, seed):
    random = np.random.default_rng(seed)
    return ["，".join(random.choice(POEMS, random.integers(1, 4))) for _ in range(n)]


def rows(texts, source, seed, labels=LABELS, **columns):
    """Rows of one file, half of them held out."""
    random = np.random.default_rng(seed)
    return [
        {
            "id": f"{source}:{line}",
            "text": text,
            "label": str(random.choice(labels)),
            "label_id": 0,
            "split": "train" if line % 2 else "test",
            "source": source,
            "line": line,
            "clean_text": text,
            "split_given": False,
            **columns,
        }
        for line, text in enumerate(texts)
    ]


def table(*groups):
    return pa.Table.from_pylist([row for group in groups for row in group], AuditedExamples.arrow())


@pytest.fixture
def drift(tiny_problem):
    """The stage's report on some rows; the champion is the tiny problem's bundle."""

    def measure(data, champion=True, settled=NOTHING_SETTLED, **params):
        folder = tiny_problem.bundle if champion is True else champion or None
        return measure_drift(
            data,
            {"labels": LABELS},
            tiny_problem.bundle,
            {"version": 7 if champion else None, "folder": folder},
            settled,
            DriftParams(permutations=199, **params),
            ModelParams(),
        )

    return measure


def test_rows_of_the_same_kind_raise_nothing(drift):
    report = drift(table(rows(messages(800, 0), OLD, 0), rows(messages(200, 1), NEWER, 1)))
    assert report["verdict"] == "ok"
    assert report["warnings"] == []
    assert (report["new_rows"], report["reference_rows"]) == (200, 800)
    assert report["sources"] == [NEWER]
    assert report["model"] == "the champion, version 7"
    assert {m["verdict"] for m in report["measures"].values()} == {"ok"}


def test_another_kind_of_text_fails_and_every_measure_of_texts_says_so(drift):
    report = drift(table(rows(messages(800, 0), OLD, 0), rows(poems(200, 1), NEWER, 1)))
    measures = report["measures"]
    assert report["verdict"] == "fail"
    for name in ("length", "unknown", "bigrams", "domain"):
        assert measures[name]["verdict"] in ("warn", "fail"), name
        assert measures[name]["p"] <= 0.005
    assert measures["domain"]["value"] > 0.99
    assert measures["label_shares"]["verdict"] == "ok"
    assert len(report["warnings"]) >= 4


def test_chance_is_not_overrated_for_bigrams_of_longer_texts():
    """Rows are dealt: unless cut, a longer side has more bigrams, and less noise, than any deal."""
    random = np.random.default_rng(5)
    alphabet = [chr(0x4E00 + i) for i in range(60)]

    def sample(n, length):
        texts = ["".join(random.choice(alphabet, length)) for _ in range(n)]
        return Sample(texts, texts, ["物流"] * n, n)

    shift, _ = bigram_measure(sample(800, 10), sample(200, 80), DriftParams(permutations=49), 0)
    assert shift.value == pytest.approx(shift.expected, rel=0.1)
    assert 0.05 < shift.p < 0.95


def test_a_label_that_vanishes_and_shares_that_move_are_named(drift):
    report = drift(
        table(rows(messages(800, 0), OLD, 0), rows(messages(200, 1), NEWER, 1, labels=LABELS[:1]))
    )
    assert report["measures"]["label_shares"]["verdict"] == "fail"
    assert report["measures"]["label_shares"]["value"] == pytest.approx(2 / 3, abs=0.05)
    assert report["measures"]["lost_labels"]["verdict"] == "warn"
    assert report["charts"]["lost_labels"] == LABELS[1:]
    assert report["measures"]["domain"]["verdict"] == "ok"


def test_a_few_rows_cannot_raise_an_alarm(drift):
    data = table(rows(messages(800, 0), OLD, 0), rows(poems(12, 1), NEWER, 1))
    report = drift(data)
    assert report["verdict"] == "none"
    assert {m["verdict"] for m in report["measures"].values()} == {"none"}
    assert "too few rows" in report["measures"]["domain"]["words"]


def test_effect_and_significance_are_both_needed(drift):
    data = table(rows(messages(800, 0), OLD, 0), rows(poems(200, 1), NEWER, 1))
    unsure = drift(data, significance=0.001)  # 199 permutations cannot be surer than 0.005
    assert unsure["verdict"] == "ok"
    small = drift(data, length=Limits(warn=0.999, fail=None))
    assert small["measures"]["length"]["p"] <= 0.005
    assert small["measures"]["length"]["verdict"] == "ok"


def settled(until="", *files):
    return {"until": until, "files": list(files), "labels": []}


def test_files_with_which_a_night_has_passed_are_not_new(drift):
    data = table(
        rows(messages(300, 0), OLD, 0),
        rows(poems(200, 1), OLDER, 1),
        rows(poems(100, 2), NEWER, 2),
    )
    report = drift(data, settled=settled(OLDER[:16]))
    assert (report["new_rows"], report["reference_rows"]) == (100, 500)
    assert drift(data, settled=settled(NEWER[:16]))["verdict"] == "none"


def test_another_kind_of_text_stays_so_until_somebody_decides(drift):
    """Reliability 15: ordinary rows of a later night do not hide it, however many there are."""
    old, strange = rows(messages(800, 0), OLD, 0), rows(poems(200, 1), OLDER, 1)
    ordinary = rows(messages(2000, 2), NEWER, 2)
    report = drift(table(old, strange, ordinary))
    assert (report["verdict"], report["new_rows"]) == ("fail", 200)
    assert report["sources"] == [OLDER]
    told = report["warnings"][-1]
    assert f"inbox reject '{OLDER}'" in told and f"inbox accept '{OLDER}' --reason" in told
    assert "inbox reject" in show_drift(report)
    rejected = drift(table(old, ordinary))
    assert (rejected["verdict"], rejected["new_rows"]) == ("ok", 2000)
    accepted = drift(table(old, strange, ordinary), settled=settled("", OLDER))
    assert (accepted["reference_rows"], accepted["new_rows"]) == (1000, 2000)


def test_few_rows_about_one_thing_are_no_failure(drift):
    """An ordinary export: 25 messages of one label against 5,000 of all."""
    old = rows(messages(5000, 0), OLD, 0)
    few = rows(messages(25, 1), NEWER, 1, labels=LABELS[:1], split="train")
    report = drift(table(old, few))
    assert report["measures"]["label_shares"]["verdict"] == "warn"
    assert report["measures"]["label_shares"]["value"] > 0.4
    assert report["verdict"] == "warn"
    assert drift(table(old, few), fail_rows=25)["verdict"] == "fail"


def test_a_champion_that_does_not_load_stops_no_night(drift, tmp_path):
    (tmp_path / "manifest.json").write_text("{")
    data = table(rows(messages(100, 0), OLD, 0), rows(messages(100, 1), NEWER, 1))
    report = drift(data, champion=tmp_path)
    assert report["verdict"] in ("ok", "warn")
    assert report["model"] == "tonight's model (the champion cannot be asked)"
    assert "version 7 does not load (BundleError)" in report["warnings"][-1]


@pytest.mark.parametrize("sources", [[OLD], [NEWER]], ids=["never an intake", "nothing older"])
def test_without_two_sides_nothing_is_compared(drift, sources):
    report = drift(table(*(rows(messages(100, 0), source, 0) for source in sources)))
    assert report["verdict"] == "none" and report["measures"] == {}
    assert "nothing to compare" in show_drift(report)


def test_without_held_out_rows_the_texts_alone_are_compared(drift):
    data = table(
        rows(messages(200, 0), OLD, 0, split="train"),
        rows(messages(100, 1), NEWER, 1, split="train"),
    )
    measures = drift(data)["measures"]
    assert measures["domain"]["verdict"] == "ok"
    assert measures["confidence"]["verdict"] == measures["unknown"]["verdict"] == "none"


def test_without_a_champion_tonights_model_is_asked(drift):
    data = table(rows(messages(100, 0), OLD, 0), rows(messages(100, 1), NEWER, 1))
    assert drift(data, champion=False)["model"].startswith("tonight's model")


def test_rows_of_the_audit_set_are_never_looked_at():
    data = table(
        rows(messages(50, 0), OLD, 0),
        rows(messages(50, 1), NEWER, 1),
        rows(["审计"] * 20, NEWER, 2, split="test", eval_set="audit"),
        rows(["把关"] * 20, NEWER, 3, split="test", eval_set="gate"),
    )
    samples = sample_rows(Parts.of(data), {NEWER}, (), 1000, 0)
    seen = {text for sample in samples.values() for text in sample.text}
    assert "审计" not in seen and "把关" in seen


def test_texts_are_read_only_where_a_row_was_chosen(monkeypatch):
    data = Parts.joined(
        [
            Parts.of(table(rows(messages(50, 0), OLD, 0))),
            Parts.of(table(rows(messages(50, 1), OLDER, 1))),
            Parts.of(table(rows(messages(50, 2), NEWER, 2))),
        ],
        AuditedExamples.arrow(),
    )
    read = []
    real = Part.batches

    def noted(self, schema, max_rows):
        if "text" in schema.names:
            read.append(self)
        return real(self, schema, max_rows)

    monkeypatch.setattr(Part, "batches", noted)
    samples = sample_rows(data, {OLDER}, {NEWER}, 1000, 0)
    assert len(read) == 2
    assert samples["new"].total + samples["new_held_out"].total == 50


def test_samples_are_bounded_and_remember_how_many_there_were():
    data = table(rows(messages(500, 0), OLD, 0), rows(messages(100, 1), NEWER, 1))
    samples = sample_rows(Parts.of(data), {NEWER}, (), 40, 0)
    assert {name: (len(s), s.total) for name, s in samples.items()} == {
        "reference": (40, 250),
        "new": (40, 50),
        "reference_held_out": (40, 250),
        "new_held_out": (40, 50),
    }
    again = sample_rows(Parts.of(data), {NEWER}, (), 40, 0)
    assert again["new"].text == samples["new"].text


def test_a_frequent_text_on_one_side_of_the_split_is_no_drift(drift):
    """All copies of a text lie on one side; it must be compared with its own side."""
    frequent = ["不错不错"] * 150

    def with_copies(source, seed):
        return [
            *rows(messages(300, seed), source, seed),
            *rows(frequent, source, seed, split="test"),
        ]

    report = drift(table(with_copies(OLD, 0), with_copies(NEWER, 1)))
    assert report["verdict"] == "ok", report["warnings"]


def test_bigrams_do_not_cross_texts_and_know_rare_characters():
    numbers, row_of, names = bigrams(["快递到", "𠮷野 家", "", "快递"])
    pairs = {(names[n], int(r)) for n, r in zip(numbers, row_of, strict=True)}
    assert pairs == {("快递", 0), ("递到", 0), ("𠮷野", 1), ("快递", 3)}


def test_the_page_names_every_measure_and_shows_chinese(drift):
    report = drift(table(rows(messages(800, 0), OLD, 0), rows(poems(200, 1), NEWER, 1)))
    page = show_drift(report)
    for title in ("Label shares", "Text length", "Unknown tokens", "Domain classifier"):
        assert title in page
    assert page.count("<svg ") == 5
    assert "物流" in page and "周报" in page
    assert all(found["bigram"] in page for found in report["charts"]["bigrams"])
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", page)
