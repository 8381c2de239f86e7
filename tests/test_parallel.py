"""Column functions give the same in this process and in several, errors and Ctrl-C included."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pytest

from wenliu.errors import UserError
from wenliu.parallel import ColumnFunction, map_batches, with_counts


@dataclass(frozen=True)
class Repeat(ColumnFunction):
    """Doubles numbers; its factor is built once a process."""

    factor: int
    fails_at: int = -1
    dies_at: int = -1

    @cached_property
    def built(self):
        return {"factor": self.factor, "unpicklable": lambda: None}

    def __call__(self, batch):
        numbers = batch["n"].to_pylist()
        if self.fails_at in numbers:
            raise UserError("No such number.", where=str(self.fails_at), remedy="count")
        if self.dies_at in numbers:
            os.kill(os.getpid(), signal.SIGKILL)
        done = pa.array([n * self.built["factor"] for n in numbers], pa.int64())
        return with_counts(
            pa.record_batch({"n": done}), {"rows": len(numbers), "process": os.getpid(), "字": 1}
        )


def numbers(rows, step=3):
    whole = pa.record_batch({"n": list(range(rows))})
    return [whole.slice(start, step) for start in range(0, rows, step)]


def values(batches):
    return [n for batch in batches for n in batch["n"].to_pylist()]


def counts_of(batches):
    return [json.loads(batch.schema.metadata[b"wenliu.counts"]) for batch in batches]


def test_several_processes_give_the_same_in_the_same_order():
    batches = list(map_batches(Repeat(2), iter(numbers(40)), processes=2))
    assert values(batches) == [2 * n for n in range(40)]
    counted = counts_of(batches)
    assert sum(counts["rows"] for counts in counted) == 40
    assert os.getpid() not in {counts["process"] for counts in counted}
    assert values(map_batches(Repeat(2), numbers(40), 1)) == [2 * n for n in range(40)]


@pytest.mark.parametrize(("cores", "pays_above", "here"), [(2, 320, 14), (2, 100, 5), (1, 0, 14)])
def test_the_first_rows_stay_in_this_process(monkeypatch, cores, pays_above, here):
    monkeypatch.setattr("wenliu.parallel._cores", lambda: cores)
    monkeypatch.setattr(Repeat, "pays_above", pays_above)
    batches = list(map_batches(Repeat(2), numbers(40)))
    assert values(batches) == [2 * n for n in range(40)]
    places = [counts["process"] == os.getpid() for counts in counts_of(batches)]
    assert places == [True] * here + [False] * (14 - here)


def test_input_is_read_a_few_batches_ahead_and_no_further():
    read = []
    source = (read.append(batch) or batch for batch in numbers(300))
    batches = map_batches(Repeat(2), source, processes=2)
    next(batches)
    assert len(read) <= 5
    batches.close()


def test_errors_come_as_they_are_and_in_their_place():
    batches = map_batches(Repeat(2, fails_at=10), numbers(30), processes=2)
    assert [values([next(batches)]) for _ in range(3)] == [[0, 2, 4], [6, 8, 10], [12, 14, 16]]
    with pytest.raises(UserError) as error:
        next(batches)
    assert str(error.value) == "No such number.\n  where: 10\n  to do: count"


def test_an_error_of_the_source_is_not_swallowed():
    def source():
        yield from numbers(9)
        raise UserError("The file ends early.")

    with pytest.raises(UserError, match="ends early"):
        list(map_batches(Repeat(2), source(), processes=2))


def test_a_killed_process_is_said_and_nothing_hangs():
    with pytest.raises(UserError, match="killed"):
        list(map_batches(Repeat(2, dies_at=4), numbers(30), processes=2))


def test_no_batches_give_none():
    assert list(map_batches(Repeat(2), [], processes=2)) == []
    assert list(map_batches(Repeat(2), [])) == []


def test_only_settings_travel_and_a_slice_is_no_more_than_its_rows():
    function = Repeat(3)
    assert function.built["factor"] == 3
    assert pickle.loads(pickle.dumps(function)) == function
    from wenliu.worker_pool import to_bytes

    whole = pa.record_batch({"n": list(range(100_000))})
    assert len(to_bytes(whole.slice(5, 10))) < 2_000


PROGRAM = """
import signal, sys, time
from dataclasses import dataclass
import pyarrow as pa
from wenliu.parallel import ColumnFunction, map_batches

# A shell that starts the tests in the background lets them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

@dataclass(frozen=True)
class Slow(ColumnFunction):
    def __call__(self, batch):
        time.sleep(0.5)
        return batch

if __name__ == "__main__":
    batches = (pa.record_batch({"n": [n]}) for n in range(200))
    for number, _ in enumerate(map_batches(Slow(), batches, processes=2)):
        if number == 0:
            print("running", flush=True)
"""


def descendants(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(child) for child in found.stdout.split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_workers_end_with_their_parent(tmp_path, stop):
    script = tmp_path / "program.py"
    script.write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout.readline() == b"running\n"
        workers = descendants(process.pid)
        assert len(workers) >= 2
        process.send_signal(stop)
        assert process.wait(timeout=15) != 0
        deadline = time.monotonic() + 10
        while any(map(alive, workers)):
            assert time.monotonic() < deadline, "a worker outlives its parent"
            time.sleep(0.05)
    finally:
        process.kill()
        process.stdout.close()
        process.wait()
