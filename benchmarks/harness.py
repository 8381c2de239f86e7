"""What the comparisons share: interleaved rounds, the table, the JSON file, and real texts.

A comparison runs every system in turn within each round, on the same input, so that a busy moment
of the machine meets all of them; it first holds the systems' results against each other. Figures
are medians; a ratio is the median of the peer over the median of ours.
"""

from __future__ import annotations

import csv
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
ROUNDS = 5


def interleave(
    systems: Mapping[str, Callable[[], Any]], rounds: int = ROUNDS
) -> dict[str, list[float]]:
    """Seconds of each system, one for each round; every system runs once in every round."""
    seconds: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(rounds):
        for name, run in systems.items():
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


@dataclass
class Comparison:
    """One result file in the making.

    Attributes:
        name: Of the script and of the file.
        input: What was read, in words.
        packages: Distributions whose versions the file names.
        notes: Settings of the peers, bars missed and why: whatever a reader must know.
    """

    name: str
    input: str
    packages: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    ratios: dict[str, float] = field(default_factory=dict)
    agreement: dict[str, int] = field(default_factory=dict)

    def add(self, system: str, values: Sequence[float], unit: str) -> float:
        """A row of the table, such as ``jieba@titles``; returns the median."""
        median = statistics.median(values)
        row = {"system": system, "median": median, "min": min(values), "max": max(values)}
        self.rows.append({**row, "unit": unit})
        return median

    def ratio(self, peer: str, where: str, value: float) -> None:
        """How many times better we are than ``peer`` on the input ``where``."""
        self.ratios[f"{peer}@{where}"] = round(value, 3)

    def agree(self, what: str, compared: int, different: int) -> None:
        """How many results were held against each other before anything was timed."""
        self.agreement[f"compared {what}"] = compared
        self.agreement[f"different {what}"] = different

    def finish(self) -> None:
        """Prints the table and writes ``benchmarks/results/<name>.json``."""
        width = max(len(row["system"]) for row in self.rows)
        print(f"\n{self.name}: {self.input}")
        print(f"{'':<{width}} {'median':>12} {'min':>12} {'max':>12}")
        for row in self.rows:
            figures = " ".join(f"{row[key]:>12,.3f}" for key in ("median", "min", "max"))
            print(f"{row['system']:<{width}} {figures}  {row['unit']}")
        for peer, value in self.ratios.items():
            print(f"  {value:>8.2f} times {peer}")
        for what, count in self.agreement.items():
            print(f"  {what}: {count:,}")
        for note in self.notes:
            print(f"  {note}")
        content = {
            "name": self.name,
            "machine": machine(),
            "versions": versions(self.packages),
            "input": self.input,
            "rows": self.rows,
            "ratios": self.ratios,
            "agreement": self.agreement,
            "notes": self.notes,
        }
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.json"
        path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        print(f"  written to {path.relative_to(ROOT)}")


def machine() -> dict[str, Any]:
    """What was measured on, and when."""
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = names[0].split(":", 1)[1].strip() if names else cpu
    affinity = getattr(os, "sched_getaffinity", None)
    found = {
        "cpu": cpu,
        "cores": len(affinity(0)) if affinity else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "date": datetime.now(UTC).date().isoformat(),
    }
    if gpu := _gpu():
        found["gpu"] = gpu
    return found


def _gpu() -> str | None:
    import sys

    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_available() else None


def versions(packages: Sequence[str]) -> dict[str, str]:
    """Installed versions; a package that is not there is ``absent``."""
    found = {}
    for package in ("wenliu", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


#: Percentiles (0, 10, ... 100) of characters a row, for texts made where there are no real ones.
_LENGTHS = {
    "chnsenticorp": (4, 36, 43, 51, 61, 76, 96, 128, 169, 189, 1992),
    "titles": (4, 14, 16, 17, 18, 19, 21, 22, 23, 24, 33),
    "medical": (38, 123, 127, 132, 139, 147, 157, 171, 185, 200, 744),
}
INPUTS = tuple(_LENGTHS)


def texts_of(name: str) -> tuple[list[str], str]:
    """Raw texts of one of ``INPUTS``, and where they come from.

    ``WENLIU_BENCH_DATA`` names the folder of real data; without it, texts of true lengths are made
    out of the bundled messages.
    """
    folder = os.environ.get("WENLIU_BENCH_DATA")
    if not folder:
        return _made(name), f"{name} (synthetic: real lengths, characters of the bundled messages)"
    data = Path(folder)
    if name == "chnsenticorp":
        path = data / "classification/chnsenticorp/train.tsv"
        lines = path.read_text("utf-8-sig").splitlines()[1:]
        return [line.split("\t", 1)[1] for line in lines], name
    if name == "titles":
        path = data / "classification/thucnews_titles/titles.txt"
        return [line.split("\t")[0] for line in path.read_text("utf-8").splitlines()], name
    path = data / "messy/medical_qa.gb18030.csv"
    with path.open(encoding="gb18030", newline="") as file:
        return [row["answer"] for row in csv.DictReader(file)], name


def sized(texts: Sequence[str], rows: int) -> list[str]:
    """As many rows as wanted, repeated in order; a comparison that caches says so."""
    return [texts[i % len(texts)] for i in range(rows)]


def _made(name: str, rows: int = 10_000) -> list[str]:
    pool = "".join(
        json.loads(line)["text"]
        for path in sorted((ROOT / "data/00_written/feedback_topics").glob("*.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    )
    generator = np.random.default_rng(7)
    lengths = np.interp(generator.random(rows) * 10, np.arange(11), _LENGTHS[name]).astype(int)
    starts = generator.integers(0, len(pool) - max(_LENGTHS[name]), rows)
    return [pool[start : start + length] for start, length in zip(starts, lengths, strict=True)]
