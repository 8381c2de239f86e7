"""Ingestion to tokenization at 10 k, 100 k and 1 M rows: does the time grow with the rows alone?

    python -m benchmarks.scaling [ROWS ...]

Rows have the lengths of three real sets in equal parts and are put together from pieces of their
texts: no row repeats, one in fifty is another row with one character changed. Each size is a CSV
problem of its own (files of 100,000 rows) in a copy of the project, run as a user runs it, in a
process of its own.

*Growth* is measured on one core, where every size goes the same way; with more cores the larger
sizes use worker processes and the smaller ones do not. It compares the seconds from the first
node's start to the last one's end, saving included, less the same of a run of a hundred rows.
Starting Python, Kedro and MLflow (whose database is made on a project's first run) costs the same
for any rows and is only in ``wall time``. The largest size runs on all cores too.

*Peak memory* is the sum, over the process and its children, of the kernel's high-water marks
(VmHWM), at the worst moment; it counts file pages that are mapped, ``anonymous`` (RssAnon, seen
every 200 ms) does not.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.harness import INPUTS, ROOT, Comparison, texts_of

STAGES = ("ingestion", "cleaning", "splitting", "audit", "segmentation", "tokenization")
SIZES = (10_000, 100_000, 1_000_000)
#: Rows of the run whose time is taken off the others'.
FIXED = 100
FILE_ROWS = 100_000
#: One row in so many is a near duplicate.
_TWINS_EVERY = 50
_PIECE = (6, 40)  # characters
_MIB = 2**20


def main() -> None:
    """Runs every size and writes the result."""
    sizes = [int(size.replace("_", "")) for size in sys.argv[1:]] or list(SIZES)
    every = os.sched_getaffinity(0)
    pools, origin = text_pools()
    result = Comparison("scaling", f"rows of real lengths ({origin}), ingestion to tokenization")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for size in (FIXED, *sizes):
            write_rows(folder / str(size), size, pools)
        fixed = min((run(folder, FIXED, 1) for _ in range(2)), key=lambda run: run.nodes)
        alone = {size: run(folder, size, 1) for size in sizes}
        together = run(folder, sizes[-1], len(every))
    _add(result, f"{FIXED} rows, 1 core", fixed)
    for size, done in alone.items():
        _add(result, f"{size} rows, 1 core", done)
        net = (done.nodes - fixed.nodes) * 1e6 / size
        result.add(f"{size} rows, 1 core: microseconds a row", [net], "us")
    _add(result, f"{sizes[-1]} rows, {len(every)} cores", together)
    for small, large in pairwise(sizes):
        grown = (alone[large].nodes - fixed.nodes) / (alone[small].nodes - fixed.nodes)
        result.ratio(f"the time of {small} rows", f"{large} rows", grown)
    result.notes.append(
        "Bars: 1 M rows take 8.5 to 11.5 times as long as 100 k, the hundred rows' time taken off "
        "both; peak memory at 1 M rows at most 2,048 MiB. The ratios are times of ours, not of a "
        "peer."
    )
    result.finish()


def _add(result: Comparison, name: str, done: Run) -> None:
    result.add(f"{name}: wall time", [done.seconds], "s")
    result.add(f"{name}: nodes", [done.nodes], "s")
    for stage in STAGES:
        result.add(f"{name}: {stage}", [done.stages[stage]], "s")
    result.add(f"{name}: peak memory", [done.peak / _MIB], "MiB")
    result.add(f"{name}: peak of anonymous memory", [done.anonymous / _MIB], "MiB")


@dataclass
class Run:
    """What one run cost: seconds, bytes, and seconds of each stage."""

    seconds: float
    peak: int
    anonymous: int
    stages: dict[str, float] = field(default_factory=dict)

    @property
    def nodes(self) -> float:
        """Seconds of all stages."""
        return sum(self.stages.values())


def run(folder: Path, rows: int, cores: int) -> Run:
    """Runs the stages on so many cores, in a project with the rows that lie in ``folder``."""
    project = make_project(folder / "project")
    shutil.copytree(folder / str(rows), project / "data/01_raw/scaling", copy_function=os.link)
    done = run_stages(project, cores)
    shutil.rmtree(project)
    print(f"{rows:,} rows, {cores} core(s): {done.seconds:.1f} s, {done.peak / _MIB:,.0f} MiB")
    return done


def run_stages(project: Path, cores: int, **variables: str) -> Run:
    """Runs the stages in a project, on so many cores and with these environment variables."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    command = [sys.executable, "-m", "kedro", "run", "--env", "scaling"]
    log = project / "logs/wenliu.log"
    log.unlink(missing_ok=True)
    begun = time.perf_counter()
    with (project / "stderr.txt").open("w") as errors:
        process = subprocess.Popen(
            [*command, "--pipelines", ",".join(STAGES)],
            cwd=project,
            env={
                **os.environ,
                "PYTHONPATH": str(project / "src"),
                "KEDRO_DISABLE_TELEMETRY": "1",
                **variables,
            },
            stdout=subprocess.DEVNULL,
            stderr=errors,
            preexec_fn=lambda: os.sched_setaffinity(0, allowed),
        )
    peak = anonymous = 0
    while process.poll() is None:
        found = [_memory(pid) for pid in _family(process.pid)]
        peak = max(peak, sum(one for one, _ in found))
        anonymous = max(anonymous, sum(other for _, other in found))
        time.sleep(0.2)
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise SystemExit((project / "stderr.txt").read_text("utf-8")[-3000:])
    stages = _stage_seconds(log.read_text("utf-8"))
    return Run(seconds, peak, anonymous, stages)


def make_project(folder: Path) -> Path:
    """A copy of this project with a problem called ``scaling`` that has no data."""
    for name in ("src", "conf"):
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copyfile(ROOT / name, folder / name)
    (folder / "conf/scaling").mkdir()
    (folder / "conf/scaling/globals.yml").write_text("problem: scaling\n")
    return folder


def text_pools() -> tuple[list[tuple[str, np.ndarray]], str]:
    """All characters of each set, and the lengths of its rows."""
    found = [texts_of(name) for name in INPUTS]
    pools = [("".join(texts), np.array([len(text) for text in texts])) for texts, _ in found]
    return pools, "; ".join(origin for _, origin in found)


def write_rows(folder: Path, rows: int, pools: list[tuple[str, np.ndarray]]) -> None:
    """So many rows in files of 100,000."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(7)
    seen: set[int] = set()
    for number, start in enumerate(range(0, rows, FILE_ROWS)):
        with (folder / f"part{number:02d}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["text", "label"])
            writer.writerows(make_rows(min(FILE_ROWS, rows - start), pools, generator, seen))


def make_rows(
    count: int, pools: list[tuple[str, np.ndarray]], generator: np.random.Generator, seen: set[int]
) -> list[tuple[str, str]]:
    """Rows whose label is their set."""
    sources = [_texts(*pool, generator) for pool in pools]
    made: list[tuple[str, str]] = []
    while len(made) < count:
        which = len(made) % len(pools)
        if len(made) % _TWINS_EVERY == _TWINS_EVERY - 1:
            text, label = made[generator.integers(len(made))]
            place = generator.integers(len(text))
            text = text[:place] + "的了是我不在有这"[generator.integers(8)] + text[place + 1 :]
        else:
            text, label = next(sources[which]), INPUTS[which]
        if hash(text) not in seen:
            seen.add(hash(text))
            made.append((text, label))
    return made


def _texts(characters: str, lengths: np.ndarray, generator: np.random.Generator) -> Iterator[str]:
    """Texts of real lengths, each of some pieces of real texts."""
    while True:
        length = int(lengths[generator.integers(len(lengths))])
        pieces = length // _PIECE[0] + 1
        starts = generator.integers(0, len(characters) - _PIECE[1], pieces).tolist()
        sizes = generator.integers(*_PIECE, pieces).tolist()
        text = "".join(characters[a : a + n] for a, n in zip(starts, sizes, strict=True))
        yield text[:length]


def _family(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return found


def _memory(pid: int) -> tuple[int, int]:
    """High-water mark and anonymous pages of a process, in bytes; zeros when it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0, 0
    found = dict(re.findall(r"^(VmHWM|RssAnon):\s+(\d+) kB", status, re.MULTILINE))
    return int(found.get("VmHWM", 0)) * 1024, int(found.get("RssAnon", 0)) * 1024


def _stage_seconds(log: str) -> dict[str, float]:
    """Seconds of each stage, loading and saving included: between the ends of two nodes."""
    begun = re.findall(r"^(\S+ \S+) .*sequential_runner: Using", log, re.MULTILINE)[-1]
    seconds: dict[str, float] = {}
    for end, stage in re.findall(r"^(\S+ \S+) .*Completed node: (\w+)\.", log, re.MULTILINE):
        took = (_moment(end) - _moment(begun)).total_seconds()
        seconds[stage] = seconds.get(stage, 0.0) + took
        begun = end
    return seconds


def _moment(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f")


if __name__ == "__main__":
    main()
