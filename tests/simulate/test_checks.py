"""What the simulation promises to notice is noticed: each check fails without what it checks."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from wenliu import nights
from wenliu.nights import Night
from wenliu.parts import Parts
from wenliu.schemas import Examples
from wenliu.simulate import checks
from wenliu.simulate.files import bad_files, good_file, same_again
from wenliu.simulate.sandbox import PROBLEM, Sandbox
from wenliu.simulate.texts import Row, Writer
from wenliu.simulate.world import World

ROOT = Path(__file__).parents[2]
ROWS = [Row(f"第{i}条消息说快递没到", "物流配送") for i in range(5)]


@pytest.fixture
def world(tmp_path):
    writer = Writer.of(ROOT, 0)
    (tmp_path / "project").mkdir()
    world = World(Sandbox(tmp_path / "project", ROOT), writer, writer.labels, 0)
    for folder in (world.sandbox.folders.accepted, world.sandbox.folders.quarantine):
        folder.mkdir()
    return world


@pytest.fixture
def night(world):
    return Night(
        PROBLEM,
        "run",
        nights.stamp(world.started),
        status="succeeded",
        outcome="refused",
        reason="It is no better.",
        decision={"decision": "refuse", "page": "page.html"},
    )


def broken(world):
    """What was noted, which is then forgotten."""
    told, world.broken = world.broken, []
    return told


def accept(world, drop):
    """As an intake does."""
    world.sandbox.folders.inbox.joinpath(drop.name).rename(
        world.sandbox.folders.accepted / f"20260301T020000Z_0123456789ab_{drop.name}"
    )


def test_rows_that_are_not_accounted_for(world):
    first = good_file("a.csv", ROWS, bad_rows=1)
    world.drop(first, same_again("b.csv", first))
    right = {"rows_in": 12, "kept": 5, "quarantined": 1, "duplicates": 6}
    checks.check_rows(world, right)
    assert broken(world) == []
    checks.check_rows(world, {**right, "rows_in": 13})
    assert len(broken(world)) == 1
    checks.check_rows(world, {**right, "rows_in": 11, "kept": 4})
    assert broken(world) == ["4 rows are kept, not 5"]


def test_records_that_count_otherwise(world, night):
    counted = {"rows_in": 3, "kept": 2, "quarantined": 1, "duplicates": 0}
    first = {"rows_in": 1, "kept": 0, "quarantined": 1, "duplicates": 0}
    nights.write(world.sandbox.root, replace(night, run_id="1", status="killed", rows=first))
    nights.write(world.sandbox.root, replace(night, run_id="2", rows={"rows_in": 2, "kept": 2}))
    checks.check_records(world, counted)
    assert broken(world) == []
    nights.write(world.sandbox.root, replace(night, run_id="1", status="killed", rows={}))
    checks.check_records(world, counted)
    assert "the records of the night tell of" in broken(world)[0]


def test_a_file_that_is_not_where_it_belongs(world):
    drop = good_file("a.csv", ROWS)
    world.drop(drop)
    checks.check_outcomes_of_files(world)
    assert broken(world) == ["a.csv is not accepted"]
    accept(world, drop)
    checks.check_outcomes_of_files(world)
    assert broken(world) == []


def test_a_decision_without_reason_or_page(world, night):
    checks.check_decision(world, replace(night, reason=" "))
    assert [sentence[:20] for sentence in broken(world)] == [
        "the night gives no r",
        "the page of the deci",
    ]
    page = nights.reports(world.sandbox.root, PROBLEM) / "page.html"
    page.parent.mkdir(parents=True)
    page.touch()
    checks.check_decision(world, night)
    assert broken(world) == []
    checks.check_decision(world, replace(night, outcome="promoted"))
    assert "its decision is refuse" in broken(world)[0]


def test_a_worse_model_that_is_promoted(world):
    checks.check_promotion(world, 0.80, 0.78)
    assert broken(world) == []
    checks.check_promotion(world, 0.80, 0.76)
    assert "a worse model was promoted" in broken(world)[0]


def test_a_champion_that_does_not_load(world):
    class Broken:
        def accuracy(self, folder):
            raise OSError("gone")

    link = world.sandbox.root / "data/07_model_output" / PROBLEM / "champion"
    assert checks.champion_accuracy(world, Broken()) is None
    assert broken(world) == []
    link.parent.mkdir(parents=True)
    link.symlink_to("champions/1")
    assert checks.champion_accuracy(world, Broken()) is None
    assert broken(world) == ["the champion does not load: gone"]


def registry(world, versions, aliases, statuses=("FINISHED",)):
    with closing(sqlite3.connect(world.sandbox.root / "mlflow.db")) as database, database:
        database.executescript(
            "create table runs (run_uuid, status);"
            "create table model_versions (name, version);"
            "create table registered_model_aliases (name, alias, version);"
        )
        database.executemany("insert into runs values ('r', ?)", [[s] for s in statuses])
        database.executemany(
            "insert into model_versions values (?, ?)", [[PROBLEM, v] for v in versions]
        )
        database.executemany(
            "insert into registered_model_aliases values (?, ?, ?)",
            [[PROBLEM, alias, v] for alias, v in aliases.items()],
        )
    link = world.sandbox.root / "data/07_model_output" / PROBLEM / "champion"
    link.parent.mkdir(parents=True)
    link.symlink_to("champions/2")


@pytest.mark.parametrize(
    ("versions", "aliases", "statuses", "champion", "told"),
    [
        ((1, 2), {"champion": 2, "previous": 1}, ["FINISHED", "KILLED"], 2, []),
        ((2,), {"champion": 2, "previous": 1}, [], 2, ["previous names version 1, which is gone"]),
        ((2, 3), {"champion": 3}, [], 3, ["the folder shows version 2, the registry 3"]),
        ((1, 2), {"champion": 2}, [], 1, ["the champion is version 2, not 1"]),
        ((2,), {"champion": 2}, ["RUNNING"], None, ["1 MLflow runs say that they go on"]),
    ],
)
def test_a_registry_that_is_not_as_it_must_be(world, versions, aliases, statuses, champion, told):
    registry(world, versions, aliases, statuses)
    checks.check_registry(world, champion)
    assert broken(world) == told


def test_a_version_that_was_rolled_back_and_serves_again(world):
    registry(world, (1, 2), {"champion": 2})
    world.rolled_back.add(1)
    checks.check_registry(world, None)
    assert broken(world) == []
    world.rolled_back.add(2)
    checks.check_registry(world, None)
    assert broken(world) == ["version 2 serves again, though it was rolled back"]


def test_versions_that_nobody_deletes(world):
    folder = world.sandbox.root / "data/05_model_input" / PROBLEM / "token_ids"
    for version in range(checks.MOST_VERSIONS + 1):
        (folder / str(version)).mkdir(parents=True)
        (folder / str(version) / "COMPLETE.json").touch()
    checks.check_versions(world)
    assert broken(world) == [f"token_ids has {checks.MOST_VERSIONS + 1} versions"]


def test_a_row_that_is_lost_and_a_file_that_is_lost(world):
    drop = good_file("a.csv", ROWS)
    bad = bad_files(ROWS, "bad")[0]
    world.drop(drop, bad)
    for column in (ROWS, ROWS[1:]):
        version = (
            world.sandbox.root / "data/02_intermediate" / PROBLEM / "examples" / str(len(column))
        )
        (version / "examples").mkdir(parents=True)
        values = {"text": [row.text for row in column]}
        table = pa.table(
            {
                field.name: values.get(field.name, [None if field.nullable else 0] * len(column))
                if not pa.types.is_string(field.type) or field.name == "text"
                else ["x"] * len(column)
                for field in Examples.arrow()
            },
            schema=Examples.arrow(),
        )
        Parts.of(table).write(version / "examples", "parquet")
        (version / "COMPLETE.json").write_text(json.dumps({}))
    checks.check_nothing_lost(world)
    assert broken(world) == [f"{bad.name} is not in quarantine as it came"]
    (version.parent / "5/COMPLETE.json").unlink()
    place = world.sandbox.folders.quarantine / f"20260301T020000Z_0_{bad.name}"
    place.write_bytes(bad.content)
    place.with_name(f"{place.name}.report.json").touch()
    checks.check_nothing_lost(world)
    assert broken(world) == ["1 rows of a.csv are lost"]


def test_a_file_with_two_names_counts_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    (tmp_path / "c").write_bytes(b"x" * 10)
    assert checks.bytes_on_disk(tmp_path) == 1010
