"""The code that a node depends on: exactly what it may run."""

import ast
import importlib.metadata
import importlib.util
import sys
from pathlib import Path

import pytest

from wenliu import code
from wenliu.code import DISTRIBUTIONS, PACKAGE, code_of, imports_of, reread_code, version_of

FILES = {
    "__init__.py": "",
    "nodes.py": """from __future__ import annotations
import json
from typing import TYPE_CHECKING

import numpy as np
from .near import (
    help_out,  # (a bracket in a comment)
)

if TYPE_CHECKING:
    from parcel.for_types import Table

def node(x):
    from parcel.deep.inside import work

    command = ["-m", "parcel.spawned"], ["-m", "parcel.many"]
    return work(x)
""",
    "near.py": "import parcel.far as far\n",
    "far.py": "",
    "for_types.py": "",
    "spawned.py": "",
    "many/__init__.py": "",
    "many/__main__.py": "",
    "many/unrelated.py": "",
    "unrelated.py": "import parcel.nodes\n",
    "deep/__init__.py": "from . import table\n",
    "deep/inside.py": "from parcel.deep.table import ROWS\n",
    "deep/table.py": "ROWS = 1\n",
    "deep/style.css": "p {}",
    "deep/README.md": "About this folder.",
    "deep/data/words.txt": "words",
}


@pytest.fixture
def parcel(tmp_path):
    """A package, and the function of its module ``nodes``."""
    package = tmp_path / "parcel"
    for name, text in FILES.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    source = (package / "nodes.py").read_text()
    space = {}
    start = source.index("def node")
    lines = source[:start].count("\n")
    exec(compile("\n" * lines + source[start:], str(package / "nodes.py"), "exec"), space)
    return package, space["node"]


def test_the_closure_is_what_the_function_may_run(parcel):
    package, node = parcel
    found = code_of(node, package=package)
    assert set(found) == {
        "python", "numpy", "parcel", "parcel.nodes", "parcel.near", "parcel.far",
        "parcel.deep", "parcel.deep.inside", "parcel.deep.table", "parcel.spawned", "parcel.many",
        "parcel.many.__main__",
        "parcel/deep/style.css", "parcel/deep/data/words.txt",
    }  # fmt: skip
    assert found["numpy"] == importlib.metadata.version("numpy")


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("nodes.py", True),
        ("far.py", True),
        ("deep/table.py", True),
        ("deep/style.css", True),
        ("deep/data/words.txt", True),
        ("spawned.py", True),
        ("unrelated.py", False),
        ("for_types.py", False),
        ("deep/README.md", False),
    ],
)
def test_a_changed_file_counts_if_the_node_may_run_it(parcel, name, counts):
    package, node = parcel
    before = code_of(node, package=package)
    with (package / name).open("a") as file:
        file.write("\n# changed\n")
    reread_code()
    assert (code_of(node, package=package) != before) == counts


def test_a_module_that_computes_what_it_imports_counts_as_importing_everything(parcel):
    package, node = parcel
    (package / "far.py").write_text("from importlib import import_module\nimport_module(name)\n")
    assert {"parcel.unrelated", "parcel.for_types"} <= set(code_of(node, package=package))


def test_another_version_of_a_dependency_counts(parcel, monkeypatch):
    package, node = parcel
    before = code_of(node, package=package)
    reread_code()
    monkeypatch.setattr(code, "version", lambda name: "9.9")
    after = code_of(node, package=package)
    reread_code()
    assert {name for name in before if before[name] != after[name]} == {"numpy"}


def test_validators_and_what_they_import_count(parcel):
    package, node = parcel
    assert "parcel.unrelated" in code_of(node, "parcel.unrelated.Rows", package=package)


def test_a_function_without_a_file_depends_on_python_alone():
    assert set(code_of(len)) == {"python"}


def by_python(path: Path) -> set[str]:
    """Top-level packages and modules of ours, as Python's own parser sees them."""
    found = set()

    def visit(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
                continue
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, "the package uses no relative imports"
                found.update({child.module, *(f"{child.module}.{a.name}" for a in child.names)})
            visit(child)

    visit(ast.parse(path.read_text("utf-8")))
    return found


def test_the_imports_of_every_module_are_those_that_python_sees():
    for path in PACKAGE.rglob("*.py"):
        names = by_python(path)
        found = imports_of(path)
        ours = {name for name in names if name.split(".")[0] == "wenliu"}
        others = {name.split(".")[0] for name in names} - sys.stdlib_module_names - {"wenliu"}
        # A docstring may show an import, and a string may name a class: more is safe, less is not.
        assert ours <= found.ours, path
        assert others <= found.others, path
        extra = [name.split(".")[1:2] for name in found.ours - ours]
        modules = [name for name in extra if list(PACKAGE.glob(f"{''.join(name)}*"))]
        assert len(modules) <= 3, path


def test_every_package_that_is_imported_has_its_version():
    imported = set().union(*(imports_of(path).others for path in PACKAGE.rglob("*.py")))
    known = importlib.metadata.packages_distributions()
    for name in imported:
        if importlib.util.find_spec(name) is None:
            continue  # an extra that is not installed
        assert version_of(name) != "absent", f"{name} needs a line in code.DISTRIBUTIONS"
        distribution = DISTRIBUTIONS.get(name, name).lower().replace("-", "_")
        assert distribution in {d.lower().replace("-", "_") for d in known[name]}
