"""What stops a run, or is said, about labels and about the rows that came last."""

import json
import random

import pytest

from wenliu.errors import UserError
from wenliu.params import IngestionParams
from wenliu.pipelines.ingestion.nodes import read_examples

LABELS = ["物流", "退款", "质量"]
#: Stands for any checksum: files are written by hand here.
SHA = "0123456789ab"


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    monkeypatch.setattr("wenliu.pipelines.ingestion.checks.check_unchanged", lambda files: None)


@pytest.fixture
def files(tmp_path):
    """Writes files: one that came with the problem, the others by nights, into its inbox."""
    (tmp_path / "accepted").mkdir()

    def write(own, *nights):
        found = []
        for night, rows in enumerate([own, *nights]):
            name = f"accepted/2026010{night}T000000Z_{SHA}_new.csv" if night else "own.csv"
            lines = [f"{text},{label}" for text, label in rows]
            (tmp_path / name).write_text("\n".join(["text,label", *lines]), "utf-8")
            found.append(tmp_path / name)
        return found

    return write


def rows(count, labels=LABELS, text="一位顾客的留言"):
    return [(f"{text}{i}", labels[i % len(labels)]) for i in range(count)]


def read(paths, frozen=None, settled=None, added=(), **params):
    sets = {"labels": frozen, "added": list(added)} if frozen else {}
    return read_examples(paths, sets, IngestionParams.model_validate(params), settled)


def passed(night=0, files=(), labels=()):
    """What is settled when this night was the last that passed."""
    return {"until": f"2026010{night}T000000Z", "files": list(files), "labels": list(labels)}


def finding(report, check):
    return next(each for each in report["guard"] if each["check"] == check)


def test_frozen_labels_are_the_order(files):
    frozen = ["质量", "退款", "物流"]
    examples, _, label_map, report = read(files(rows(30)), frozen)
    assert label_map == {"labels": frozen, "frozen": True, "order": "frozen.yml"}
    assert examples.column("label_id").to_pylist()[:3] == [2, 1, 0]
    assert {each["verdict"] for each in report["guard"]} == {"ok"}
    json.dumps(report)


@pytest.mark.parametrize("frozen", [LABELS, None])
def test_an_unknown_label_stops_the_run(files, frozen):
    """Reliability 15: it is named with file and rows, and both ways out are."""
    paths = files(rows(30), rows(20), [*rows(20), ("新的", "发票"), ("又一个", "发票")])
    with pytest.raises(UserError, match="Unknown label: '发票'") as error:
        read(paths, frozen)
    assert error.value.where == f"{paths[2].name}: 2 rows of '发票'"
    assert "wenliu labels add 发票" in error.value.remedy
    assert f"wenliu inbox reject '{paths[2].name}'" in error.value.remedy
    assert ("wenliu freeze" in error.value.remedy) == (frozen is None)
    later = paths[2].with_name(f"20260109T000000Z_{SHA}_later.csv")
    later.write_bytes(paths[1].read_bytes())
    with pytest.raises(UserError, match="Unknown label: '发票'"):
        read([*paths, later], frozen)  # other files that come after it do not make it known
    read(paths, [*LABELS, "发票"])


def test_without_an_inbox_and_unfrozen_labels_are_what_there_is(files):
    assert read(files([*rows(30), ("新的", "发票")]))[2]["labels"] == sorted([*LABELS, "发票"])


def test_the_first_intake_says_which_labels_there_are(files):
    _, first, second = files([], rows(30), rows(30))
    assert read([first, second])[2]["labels"] == sorted(LABELS)


def test_a_lost_label_stops_the_run(files):
    """Reliability 15: a frozen label without any row."""
    paths = files(rows(30))
    with pytest.raises(UserError, match="No row has the frozen label '发票'"):
        read(paths, [*LABELS, "发票"])
    report = read(paths, [*LABELS, "发票"], limit=10)[3]
    assert finding(report, "lost_labels")["verdict"] == "warn"
    assert any("发票" in warning for warning in report["warnings"])


def test_a_label_that_was_added_may_wait_for_its_first_rows(files):
    """Reliability 15: `labels add` before the rows come stops no night; losing them all does."""
    paths = files(rows(30))
    labels = [*LABELS, "发票"]
    _, _, label_map, report = read(paths, labels, added=["发票"])
    assert label_map["labels"] == labels
    assert finding(report, "lost_labels")["verdict"] == "warn"
    assert any("'发票' has no row yet" in warning for warning in report["warnings"])
    with pytest.raises(UserError, match="No row has the frozen label '发票'"):
        read(paths, labels, added=["发票"], settled=passed(labels=["发票"]))
    with pytest.raises(UserError, match="No row has the frozen label '质量'"):
        read(files(rows(30, LABELS[:2])), labels, added=["发票"])


def numbered(tmp_path, names):
    (tmp_path / "class.txt").write_text("\n".join(names), "utf-8")
    lines = [f"一位顾客的留言{i}\t{i % 3}" for i in range(30)]
    (tmp_path / "rows.txt").write_text("\n".join(lines), "utf-8")
    return [tmp_path / "class.txt", tmp_path / "rows.txt"]


def test_another_order_of_names_stops_the_run(tmp_path):
    """Reliability 15: integer labels would mean other classes."""
    params = {"label_names": "class.txt", "columns": {"text": 0, "label": 1}}
    paths = numbered(tmp_path, LABELS)
    assert read(paths, LABELS, **params)[2]["labels"] == LABELS
    numbered(tmp_path, ["退款", "物流", "质量"])
    with pytest.raises(UserError, match="another order than the frozen labels: '退款' stands"):
        read(paths, LABELS, **params)


def test_a_name_added_at_the_end_is_no_other_order(tmp_path):
    params = {"label_names": "class.txt", "columns": {"text": 0, "label": 1}}
    paths = numbered(tmp_path, [*LABELS, "发票"])
    assert read(paths, LABELS, **params)[2]["labels"] == LABELS


def test_shares_of_the_newest_rows(files):
    same = read(files(rows(900), rows(300)))[3]
    assert finding(same, "label_shares")["verdict"] == "ok"
    assert finding(same, "label_shares")["found"] < 0.02
    one = [(text, "物流") for text, _ in rows(200)]
    drifted = read(files(rows(900), rows(900), [*one, *rows(100)]), settled=passed(1))[3]
    found = finding(drifted, "label_shares")
    # Two thirds are 物流 and the others a third of a third: 4/9 would need another label.
    assert found["found"] == pytest.approx(4 / 9, abs=0.04) and found["verdict"] == "warn"
    assert "'物流', 33% before, 78% now" in found["words"]
    assert found["words"] in drifted["warnings"]
    with pytest.raises(UserError, match="Label shares of the 300 new rows"):
        read(files(rows(900), [*one, *rows(100)]), guard={"fail_label_shift": 0.3})


def poisoned(count=300):
    return [(text, "物流") for text, _ in rows(count)]


def test_what_stopped_a_night_stops_the_next_one_too(files):
    """Reliability 15: ordinary rows that come later do not make it old, nor dilute it."""
    limit = {"guard": {"fail_label_shift": 0.5}}
    paths = files(rows(900), rows(300), poisoned(), rows(320), rows(2000))
    for last in (3, 4, 5):
        with pytest.raises(UserError, match="Label shares of the 300 new rows") as error:
            read(paths[:last], settled=passed(1), **limit)
        assert f"wenliu inbox reject '{paths[2].name}'" in error.value.remedy
        assert f"wenliu inbox accept '{paths[2].name}' --reason WHY" in error.value.remedy
    # Both ways out: taken out, or accepted by somebody; then the others are judged.
    for rest, decided in (
        ([*paths[:2], *paths[3:]], passed(1)),
        (paths, passed(1, files=[paths[2].name])),
    ):
        report = read(rest, settled=decided, **limit)[3]
        assert finding(report, "label_shares")["verdict"] in ("ok", "warn")
        assert "2,320 new rows" in finding(report, "label_shares")["words"]


def test_older_rows_that_wait_do_not_hide_the_newest(files):
    """A night failed for another reason: its ordinary rows are new, too, when poison comes."""
    paths = files(rows(900), rows(600), poisoned())
    with pytest.raises(UserError, match="Label shares of the 300 new rows") as error:
        read(paths, settled=passed(), guard={"fail_label_shift": 0.5})
    assert error.value.where == paths[2].name


def test_nights_that_did_not_pass_are_judged_together_too(files):
    """Each too small to be compared, together they are enough."""
    paths = files(rows(900), poisoned(150), poisoned(150))
    assert len(read(paths[:2], settled=passed())[3]["guard"]) == 1
    found = finding(read(paths, settled=passed())[3], "label_shares")
    assert "300 new rows" in found["words"] and found["verdict"] == "warn"


def test_nothing_is_new_after_a_night_that_passed(files):
    report = read(files(rows(900), poisoned()), settled=passed(1))[3]
    assert [each["check"] for each in report["guard"]] == ["unknown_labels"]


def test_few_rows_are_not_compared(files):
    report = read(files(rows(900), [("只有一句", "物流")] * 100))[3]
    assert [each["check"] for each in report["guard"]] == ["unknown_labels"]


def test_chance_is_no_drift(files):
    """With 40 labels, 200 rows differ from their shares by 0.17 by chance alone."""
    labels = [f"类{i}" for i in range(40)]
    chance = random.Random(1)
    drawn = [(f"留言{i}", chance.choice(labels)) for i in range(200)]
    found = finding(read(files(rows(4000, labels), drawn))[3], "label_shares")
    assert found["verdict"] == "ok" and found["found"] < 0.05


def test_lengths_of_the_newest_rows(files):
    long = rows(300, text="一位顾客的留言" * 4)
    report = read(files(rows(900), long))[3]
    found = finding(report, "text_lengths")
    assert found["verdict"] == "warn" and 2 < found["found"] < 4
    with pytest.raises(UserError, match="The median text of the new rows has 70"):
        read(files(rows(900), rows(300, text="一位顾客的留言" * 100)))
