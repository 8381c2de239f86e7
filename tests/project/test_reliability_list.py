"""docs/reliability.md names, for every fault and bad input, tests that exist and say so."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: 30 is about the HTTP server, which is not built yet.
LINES = [*range(1, 30), 31, 32, 33]
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def rows() -> dict[int, str]:
    """Number to the row of the table."""
    text = (ROOT / "docs/reliability.md").read_text("utf-8")
    return {int(row[1]): row[0] for row in re.finditer(r"^\| (\d+) \|.*$", text, re.MULTILINE)}


@cache
def docstrings(path: str) -> dict[str, str]:
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {function.name: ast.get_docstring(function) or "" for function in functions}


def test_every_line_is_there():
    assert sorted(rows()) == LINES


@pytest.mark.parametrize("number", LINES)
def test_a_line_names_tests_that_exist_and_name_it(number):
    found = _TEST.findall(rows()[number])
    assert found, f"line {number} names no test"
    for path, name in found:
        assert name in docstrings(path), f"{path} has no {name}"
        numbers = re.search(r"Reliability ([\d, ]+)", docstrings(path)[name])
        assert numbers and str(number) in re.split(r"[, ]+", numbers[1]), f"{name} is not about it"
