"""A night with 1,000 new rows on a million: what it costs in time and on the disk.

    python -m benchmarks.night [ROWS]

The rows are those of ``benchmarks.scaling``. A first run reads all of them; then, for three nights,
one more file comes with 1,000 rows of the same kind, of which one in fifty is an *old* row with one
character changed, so that marks of old rows change too. Each run is a process of its own on one
core; nothing is skipped by Kedro, every node of every stage runs.

*Preprocessing* is the time from the first node's start to the last one's end, ingestion to
tokenization, the audit included, saving included. *Disk* is what all versions of all tables and
reports and the memory of the parts take together, a file with several hard links counted once; raw
files are not counted. After the last night all rows are read once more with ``WENLIU_MEMO=off`` in
a project of its own, and every table is held against that of the night.
"""

from __future__ import annotations

import csv
import os
import shutil
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.harness import Comparison
from benchmarks.scaling import (
    STAGES,
    Run,
    make_project,
    make_rows,
    run_stages,
    text_pools,
    write_rows,
)

ROWS = 1_000_000
NEW = 1_000
NIGHTS = 3
#: One new row in so many is an old one with a character changed.
_TWINS_EVERY = 50
_TABLES = {
    "examples": "02_intermediate",
    "clean_examples": "03_primary",
    "split_examples": "03_primary",
    "audited_examples": "03_primary",
    "words": "04_feature",
    "token_ids": "05_model_input",
}
_RAW = "data/01_raw/scaling"
_MIB = 2**20


def main() -> None:
    """Runs the first night, three others and one without memory; writes the result."""
    rows = int(sys.argv[1].replace("_", "")) if len(sys.argv) > 1 else ROWS
    pools, origin = text_pools()
    result = Comparison("night", f"{rows} rows and {NEW} a night, of real lengths ({origin})")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "raw", rows, pools)
        project, anew = (make_project(folder / name) for name in ("project", "anew"))
        shutil.copytree(folder / "raw", project / _RAW, copy_function=os.link)
        first = _run(project, "all rows")
        disk = [_disk(project)]
        nights = []
        for night in range(1, NIGHTS + 1):
            _write_new_rows(project / _RAW, night, pools)
            nights.append(_run(project, f"night {night}"))
            disk.append(_disk(project))
        shutil.copytree(project / _RAW, anew / _RAW, copy_function=os.link)
        alone = _run(anew, "all rows, nothing remembered", WENLIU_MEMO="off")
        result.agree(
            "tables", len(_TABLES), sum(not _same(name, project, anew) for name in _TABLES)
        )
    seconds = result.add("a night: preprocessing", [night.nodes for night in nights], "s")
    for stage in STAGES:
        result.add(f"a night: {stage}", [night.stages[stage] for night in nights], "s")
    result.add("a night: wall time", [night.seconds for night in nights], "s")
    for what, done in (("all rows", first), ("all rows, nothing remembered", alone)):
        result.add(f"{what}: preprocessing", [done.nodes], "s")
        for stage in STAGES:
            result.add(f"{what}: {stage}", [done.stages[stage]], "s")
        result.add(f"{what}: wall time", [done.seconds], "s")
        result.add(f"{what}: peak memory", [done.peak / _MIB], "MiB")
    grown = [(after - before) / before for before, after in pairwise(disk)]
    result.add("disk after the first run", [disk[0] / _MIB], "MiB")
    result.add("a night: more disk", [100 * share for share in grown], "%")
    result.ratio("all rows", "preprocessing of a night", first.nodes / seconds)
    result.ratio("all rows, nothing remembered", "preprocessing of a night", alone.nodes / seconds)
    result.notes.append(
        "Bars: at least 15 times less preprocessing time, less than 2 % more disk. The ratios are "
        "times of ours, not of a peer."
    )
    result.finish()


def _run(project: Path, what: str, **variables: str) -> Run:
    done = run_stages(project, 1, **variables)
    print(f"{what}: {done.nodes:.1f} s in the nodes, {done.seconds:.1f} s in all", flush=True)
    return done


def _write_new_rows(folder: Path, night: int, pools: list[tuple[str, np.ndarray]]) -> None:
    """One more file, which comes last by its name."""
    generator = np.random.default_rng(100 + night)
    made = make_rows(NEW, pools, generator, set())
    old = []
    for path in sorted(folder.glob("part*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.reader(file))[1:]
        old += [rows[place] for place in generator.integers(len(rows), size=NEW // _TWINS_EVERY)]
    for number in range(0, NEW, _TWINS_EVERY):
        text, label = old[generator.integers(len(old))]
        made[number] = (text[:-1] + "的", label)
    with (folder / f"part9{night}.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text", "label"], *made])


def _disk(project: Path) -> int:
    """Bytes of all files under the project's data but the raw ones, each inode once."""
    sizes = {}
    for path in (project / "data").rglob("*"):
        if path.is_file() and "01_raw" not in path.parts:
            found = path.stat()
            sizes[found.st_ino] = found.st_blocks * 512
    return sum(sizes.values())


def _same(table: str, one: Path, other: Path) -> bool:
    """Whether the newest versions of a table have the same values, read a part at a time."""
    from wenliu.parts import Parts

    left, right = (
        _newest(project / "data" / _TABLES[table] / "scaling" / table) for project in (one, other)
    )
    pairs = zip(Parts.open(left).batches(), Parts.open(right).batches(), strict=True)
    return all(a.equals(b) for a, b in pairs)


def _newest(folder: Path) -> Path:
    return max(path for path in folder.iterdir() if path.is_dir()) / folder.name


if __name__ == "__main__":
    main()
