"""Parts that were worked on before are looked up, and nobody can tell from the result."""

import random
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pytest

from wenliu import memo, parallel
from wenliu.errors import UserError
from wenliu.gathering import gather_each
from wenliu.parallel import ColumnFunction, PartFunction, Unchanged, map_parts, with_counts
from wenliu.parts import Parts

SCHEMA = pa.schema([("n", pa.int64()), ("mark", pa.string())])
TIMES = pa.schema([("times", pa.int64())])

#: Numbers that a function of this module was given.
worked: list[int] = []


@dataclass(frozen=True)
class Times(ColumnFunction):
    """Multiplies; counts rows and remembers nothing else."""

    factor: int
    by_part: Any = field(default=None, metadata={"memo": False})
    fails_at: int = -1

    def __call__(self, batch):
        numbers = batch["n"].to_pylist()
        worked.extend(numbers)
        if self.fails_at in numbers:
            raise UserError("No such number.")
        times = pa.array([n * self.factor for n in numbers], pa.int64())
        return with_counts(pa.record_batch([times], schema=TIMES), {"numbers": numbers})


@dataclass(frozen=True)
class Sum(PartFunction):
    """One row a part, however many rows the part has."""

    def __call__(self, batches):
        total = [sum(n for batch in batches for n in batch["n"].to_pylist())]
        return pa.record_batch([pa.array(total, pa.int64())], schema=TIMES)


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("WENLIU_MEMO", "on")
    monkeypatch.setattr(memo, "_place", lambda: tmp_path / "memo")
    monkeypatch.setattr("wenliu.put_aside.beside_the_versions", lambda: tmp_path / "aside")
    monkeypatch.setattr("wenliu.gathering.PART_ROWS", 20)
    monkeypatch.setattr(parallel, "BATCH_ROWS", 3)
    worked.clear()


def table(*files):
    """Rows of files, each a list of numbers."""
    batches = [
        pa.record_batch([pa.array(rows, pa.int64()), pa.array(["a"] * len(rows))], schema=SCHEMA)
        for rows in files
    ]
    return gather_each(([batch] for batch in batches), SCHEMA)


def times(parts, function=None, **options):
    counted = []
    function = function or Times(2)
    made = map_parts(function, parts, ["n"], TIMES, merge=counted.append, **options)
    return made, [n for counts in counted for n in counts["numbers"]]


def test_only_new_parts_are_worked_on():
    first, second = list(range(30)), list(range(30, 37))
    made, counted = times(table(first))
    assert worked == counted == first
    assert made.part_rows == [20, 10]
    worked.clear()
    made, counted = times(table(first, second))
    assert worked == second
    assert counted == first + second
    assert made.column("times").to_pylist() == [2 * n for n in first + second]
    assert made.part_rows == [20, 10, 7]


def test_parts_may_go_change_and_change_places():
    times(table([1, 2], [3], [4, 5]))
    worked.clear()
    made, counted = times(table([4, 5], [3, 3], [1, 2]))
    assert worked == [3, 3]
    assert counted == [4, 5, 3, 3, 1, 2]
    assert made.column("times").to_pylist() == [8, 10, 6, 6, 2, 4]


def test_a_changed_setting_or_code_or_key_is_work_again(monkeypatch):
    parts = table([1, 2], [3])
    times(parts)
    times(parts, Times(3))
    assert worked == [1, 2, 3] * 2
    times(parts, Times(2, by_part="ignored"))
    assert worked == [1, 2, 3] * 2
    times(parts, also=["x", "y"])
    times(parts, also=["x", "z"])
    assert worked == [1, 2, 3] * 3 + [3]
    monkeypatch.setattr(memo, "code_of", lambda called: {"code": "other"})
    times(parts)
    assert worked == [1, 2, 3] * 3 + [3] + [1, 2, 3]


def test_columns_that_are_not_read_do_not_matter():
    parts = table([1, 2], [3])
    times(parts)
    other = parts.without(["mark"]).beside(parts.cut_alike(pa.table({"mark": ["b", "c", "d"]})))
    times(other)
    assert worked == [1, 2, 3]


def test_whole_parts_give_any_number_of_rows_and_empty_parts_are_kept():
    parts = Parts.joined([table(list(range(10))), table([5])], SCHEMA)
    for _ in range(2):
        assert map_parts(Sum(), parts, ["n"], TIMES).column("times").to_pylist() == [45, 5]
    empty = parts.cut_alike(pa.table({"n": range(11)})).each()
    nothing = Parts(SCHEMA.empty_table().schema, [])
    assert map_parts(Sum(), nothing, ["n"], TIMES).part_rows == []
    none = pa.RecordBatch.from_pylist([], schema=SCHEMA)
    from wenliu.part import Part

    with_empty = Parts(SCHEMA, [Part.of(none), *next(empty).parts])
    assert times(with_empty)[0].part_rows == [0, 10]
    assert times(with_empty)[0].part_rows == [0, 10]


def test_counts_alone():
    counted = []
    parts = table([1, 2, 3, 4], [5])
    for _ in range(2):
        made = map_parts(Times(2), parts, ["n"], merge=counted.append)
        assert made.num_rows == 0
    assert [n for counts in counted for n in counts["numbers"]] == [1, 2, 3, 4, 5] * 2
    assert worked == [1, 2, 3, 4, 5]


def test_several_processes_give_the_same(monkeypatch):
    parts = table(list(range(30)), [7, 8])
    alone = times(parts, processes=1)
    monkeypatch.setenv("WENLIU_MEMO", "off")
    together = times(parts, processes=2)
    assert together[0].table().equals(alone[0].table()) and together[1] == alone[1]
    assert together[0].part_rows == alone[0].part_rows == [20, 10, 2]


def test_what_was_done_before_a_failure_is_not_lost():
    parts = table([1, 2], [3], [4])
    with pytest.raises(UserError):
        times(parts, Times(2, fails_at=4))
    worked.clear()
    with pytest.raises(UserError):
        times(parts, Times(2, fails_at=4))
    assert worked == [4]


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_unchanged_columns_in_another_format(format, tmp_path):
    parts = table([1, 2], [3])
    (tmp_path / "t").mkdir()
    map_parts(Unchanged(), parts, SCHEMA.names, SCHEMA, format=format).write(tmp_path / "t", format)
    assert Parts.open(tmp_path / "t").table().equals(parts.table())
    assert all(file.stat().st_nlink == 2 for file in (tmp_path / "t").glob("part-*"))


@pytest.mark.parametrize("seed", range(5))
def test_nights_of_any_kind_give_what_a_first_night_gives(seed, monkeypatch):
    """Files come, change and go; the result is that of a run that remembers nothing."""
    choose = random.Random(seed)
    files = [[choose.randrange(50) for _ in range(choose.randrange(1, 45))] for _ in range(3)]
    for _ in range(12):
        action = choose.choice(["add", "change", "remove", "swap"])
        place = choose.randrange(len(files))
        if action == "add":
            files.append([choose.randrange(50) for _ in range(choose.randrange(1, 45))])
        elif action == "change":
            files[place] = [*files[place][1:], choose.randrange(50)]
        elif action == "remove" and len(files) > 1:
            files.pop(place)
        else:
            files.append(files.pop(place))
        function = Times(choose.choice([2, 2, 2, 3]))
        made, counted = times(table(*files), function)
        with monkeypatch.context() as patch:
            patch.setenv("WENLIU_MEMO", "off")
            anew, counted_anew = times(table(*files), function)
        assert made.table().equals(anew.table()) and counted == counted_anew
        assert made.part_rows == anew.part_rows and made.digests() == anew.digests()
