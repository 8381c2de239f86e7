"""What the benchmarks have measured is complete, and the page says what they say."""

import importlib.util
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
SCRIPTS = re.search(r"^BENCHMARKS := (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)[
    1
].split()


def test_every_comparison_of_the_makefile_has_a_script_and_a_result():
    assert {path.stem for path in RESULTS} == set(SCRIPTS)
    for name in SCRIPTS:
        assert (ROOT / "benchmarks" / f"{name}.py").is_file()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_says_what_was_measured_where_and_when(path):
    result = json.loads(path.read_text("utf-8"))
    assert result["name"] == path.stem
    assert {"cpu", "cores", "memory_gib", "system", "date"} <= set(result["machine"])
    assert result["versions"] and result["input"] and result["rows"]
    for row in result["rows"]:
        assert row["min"] <= row["median"] <= row["max"] and row["unit"]
    for peer, ratio in result["ratios"].items():
        assert "@" in peer and ratio > 0


def test_the_pages_have_the_figures_of_the_results(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    assert importlib.util.find_spec("benchmarks.page")
    from benchmarks.page import PAGES, READMES, headlines, rendered

    pages = [page.read_text("utf-8") for page in PAGES]
    for page in pages:
        assert rendered(page) == page, "python -m benchmarks.page writes it again"
    for name in SCRIPTS:
        assert f"<!-- {name}:begin -->" in "".join(pages)
    for path, chinese in zip(READMES, (False, True), strict=True):
        readme = path.read_text("utf-8")
        assert "<!-- speed:begin -->" in readme and headlines(readme, chinese) == readme
