"""Writes the tables and plots of ``docs/speed.md`` from the results on disk.

    python -m benchmarks.page

What stands between ``<!-- NAME:begin -->`` and ``<!-- NAME:end -->`` is replaced by the table of
``results/NAME.json``; the words around it are written by people. A test compares both.
"""

from __future__ import annotations

import json
import re
from typing import Any

from benchmarks.harness import RESULTS, ROOT
from wenliu.reporting.charts import bars

PAGE = ROOT / "docs" / "speed.md"
IMAGES = ROOT / "docs" / "images"


def read_results() -> dict[str, dict[str, Any]]:
    """Name to content of every result file."""
    return {
        path.stem: json.loads(path.read_text("utf-8")) for path in sorted(RESULTS.glob("*.json"))
    }


def table(result: dict[str, Any]) -> str:
    """The measured rows, the ratios and what was compared, as Markdown."""
    machine = result["machine"]
    found = [
        f"Read: {result['input']}. Machine: {machine['cpu']}, {machine['cores']} cores"
        + (f", {machine['gpu']}" if "gpu" in machine else "")
        + f"; {machine['date']}.",
        "",
        "| system | median | least | most | unit |",
        "|---|---:|---:|---:|---|",
        *(
            f"| {row['system']} | {_number(row['median'])} | {_number(row['min'])} | "
            f"{_number(row['max'])} | {row['unit']} |"
            for row in result["rows"]
        ),
    ]
    if result["ratios"]:
        found += ["", f"![Times the peer](images/speed_{result['name']}.svg)"]
    if result["agreement"]:
        counts = "; ".join(f"{what}: {count:,}" for what, count in result["agreement"].items())
        found += ["", f"Held against each other: {counts}."]
    found += ["", *(f"- {note}" for note in result["notes"])] if result["notes"] else []
    return "\n".join(found)


def plot(result: dict[str, Any]) -> str:
    """How many times the peer we are, as SVG."""
    return bars(
        list(result["ratios"]),
        list(result["ratios"].values()),
        title=f"{result['name']}: times the peer",
    )


def rendered(page: str) -> str:
    """The page with the tables of today's results."""
    for name, result in read_results().items():
        block = f"<!-- {name}:begin -->\n{table(result)}\n<!-- {name}:end -->"
        pattern = re.compile(rf"<!-- {name}:begin -->.*?<!-- {name}:end -->", re.S)
        page = pattern.sub(lambda _, block=block: block, page)
    return page


def main() -> None:
    """Writes page and plots."""
    PAGE.write_text(rendered(PAGE.read_text("utf-8")), "utf-8")
    for name, result in read_results().items():
        if result["ratios"]:
            (IMAGES / f"speed_{name}.svg").write_text(plot(result), "utf-8")


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
