"""Every planted fault of the bundled problem is found, and only those."""

import json
from pathlib import Path

import pytest

from wenliu.parts import Parts

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def truth():
    path = ROOT / "data/00_written/feedback_topics/planted.json"
    return json.loads(path.read_text("utf-8"))


def table(project, layer, name):
    [folder] = (project / "data" / layer / "feedback_topics" / name).iterdir()
    return Parts.open(folder / name).table().to_pylist()


@pytest.fixture(scope="module")
def rows(finished_run):
    return {row["id"]: row for row in table(finished_run, "03_primary", "audited_examples")}


@pytest.fixture(scope="module")
def audit(finished_run):
    [folder] = (finished_run / "data/08_reporting/feedback_topics/audit_report").iterdir()
    return json.loads((folder / "audit_report.json").read_text("utf-8"))


def test_all_rows_but_the_broken_ones_were_read(finished_run, rows, truth):
    quarantine = table(finished_run, "02_intermediate", "quarantine")
    assert len(quarantine) == truth["counts"]["quarantine"]
    assert len(rows) + len(quarantine) == sum(truth["rows"].values())
    assert {row["source"] for row in rows.values()} == set(truth["rows"])
    assert all(row["reason"] and row["line"] > 1 for row in quarantine)


def test_copies_lie_on_one_side_and_one_of_them_is_kept(rows, truth):
    for kind in ("exact", "normalised"):
        for original, copy in truth["ids"][kind]:
            pair = (rows[original], rows[copy])
            assert pair[0]["split"] == pair[1]["split"]
            if pair[0]["split"] == "train":
                assert sorted(str(row["dropped"]) for row in pair) in (
                    ["None", "repeat"], ["leak", "leak"], ["None", "leak"], ["leak", "repeat"],
                )  # fmt: skip


def test_texts_with_two_topics_leave_training(rows, truth):
    for original, copy in truth["ids"]["conflict"]:
        if rows[original]["split"] == "train":
            assert rows[original]["dropped"] == rows[copy]["dropped"] == "conflict"


def test_near_copies_across_splits_are_leaks(rows, truth):
    order = ("train", "validation", "test")
    crossing = 0
    for pair in truth["ids"]["near"]:
        first, second = sorted((rows[i] for i in pair), key=lambda row: order.index(row["split"]))
        if first["split"] == "train" and second["split"] != "train":
            crossing += 1
            assert first["dropped"] == "leak"
            assert second["leak"] == "near"
    assert crossing > 0


def test_the_counts_of_the_audit_are_those_of_the_truth(audit, truth, rows):
    planted = truth["ids"]
    assert audit["conflicts"]["texts"] == truth["counts"]["conflict"]
    assert sum(audit["blank"].values()) == truth["counts"]["blank"]
    same_side = [
        (kind, pair)
        for kind in ("exact", "normalised", "near", "conflict")
        for pair in planted[kind]
        if rows[pair[0]]["split"] == rows[pair[1]]["split"]
    ]
    repeats = {
        kind: sum(splits[kind] for splits in audit["repeats"].values())
        for kind in ("identical", "normalised", "near")
    }
    exact = sum(kind in ("exact", "conflict") for kind, _ in same_side)
    assert repeats["identical"] == exact
    assert repeats["normalised"] == exact + sum(kind == "normalised" for kind, _ in same_side)
    assert repeats["near"] == len(same_side)


def test_what_was_planted_in_texts_is_cleaned_away(finished_run, rows, truth):
    import re

    for identifier in truth["ids"]["html"]:
        assert not re.search(r"</?(p|div|span|br)|&(nbsp|gt);|<!--", rows[identifier]["clean_text"])
    for identifier in truth["ids"]["zero_width"]:
        assert not re.search("[\u200b\u200d\u2060\ufeff]", rows[identifier]["clean_text"])
