"""Which code a node depends on: everything of ours that it imports, and the versions of the rest.

The module of a node's function, whatever that imports of this package (in functions too, for that
is where the heavy imports stand), the files beside those modules, and the versions of the other
packages imported there. A changed helper is a change; a changed stage is none to the others.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wenliu.disk import sha256_of

PACKAGE = Path(__file__).resolve().parent
#: Of a module's checksum, in hexadecimal: enough to tell two texts of one module apart.
_DIGITS = 16
#: Distributions that are not called like what is imported from them.
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML"}

# An import is found by its line: parsing the package takes 0.4 s, this takes 0.05 s. The formatter
# keeps one statement to a line, and a test compares the result with Python's own parser.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n]*)|import[ \t]+([^\n]*))", re.M
)
_FOR_TYPES = re.compile(r"^if TYPE_CHECKING:\n(?:(?:[ \t]+[^\n]*)?\n)+", re.M)
_COMMENT = re.compile(r"#[^\n]*")
_DYNAMIC = re.compile(r"\b(?:import_module|__import__)\(")


def code_of(function: Callable[..., object], *also: str, package: Path = PACKAGE) -> dict[str, str]:
    """Everything that ``function`` may run.

    Args:
        function: Of a node.
        also: Dotted names of other objects that take part, such as the validators of its data.
        package: Folder of the package whose modules count one by one.

    Returns:
        Modules and files of the package with their checksums, other packages and Python itself
        with their versions.
    """
    function = inspect.unwrap(getattr(function, "func", function))
    return dict(_closure(package, _file_of(function), also))


def reread_code() -> None:
    """Forgets what was read: a run counts code as it was at its start, the next one anew."""
    for function in (_closure, imports_of, _checksum, version_of):
        function.cache_clear()


@cache
def _closure(package: Path, start: Path | None, also: tuple[str, ...]) -> dict[str, str]:
    found = {"python": ".".join(map(str, sys.version_info[:2]))}
    waiting = [start] if start else []
    for name in also:
        waiting += _modules(package, name)
    seen = set()
    while waiting:
        path = waiting.pop()
        if path in seen:
            continue
        seen.add(path)
        found[_label(path, package)] = _checksum(path)
        imports = imports_of(path, package)
        for name in imports.others:
            found[name] = version_of(name)
        for name in imports.ours:
            waiting += _modules(package, name)
        if imports.dynamic:  # nobody knows which: all of them
            waiting += package.rglob("*.py")
    for folder in {path.parent for path in seen if path.name == "__init__.py"}:
        for path in _data_files(folder):
            found[_label(path, package)] = _checksum(path)
    return found


@dataclass(frozen=True)
class Imports:
    """What one module imports.

    Attributes:
        ours: Dotted names within the package, of modules or of something in them.
        others: Top-level names of packages that are neither ours nor Python's.
        dynamic: Whether it imports by names that it computes.
    """

    ours: frozenset[str]
    others: frozenset[str]
    dynamic: bool


@cache
def imports_of(path: Path, package: Path = PACKAGE) -> Imports:
    """The imports of the module at ``path``, those for type checkers left out."""
    source = _FOR_TYPES.sub("", path.read_text("utf-8"))
    here = _label(path, package).split(".")
    if path.name != "__init__.py":
        here.pop()
    names = set()
    for base, imported, modules in _IMPORT.findall(source):
        if base:
            if dots := len(base) - len(base.lstrip(".")):
                base = ".".join([*here[: len(here) - dots + 1], *filter(None, [base[dots:]])])
            names |= {base, *(f"{base}.{name}" for name in _listed(imported))}
        else:
            names |= set(_listed(modules))
    # A class or module named in a string is imported by whoever gets it: a process, Kedro.
    names |= set(re.findall(rf"[\"']({package.name}(?:\.\w+)+)[\"']", source))
    tops = {name.split(".")[0] for name in names}
    return Imports(
        ours=frozenset(name for name in names if name.split(".")[0] == package.name),
        others=frozenset(tops - sys.stdlib_module_names - {package.name}),
        dynamic=_DYNAMIC.search(source) is not None,
    )


def _listed(names: str) -> list[str]:
    parts = _COMMENT.sub("", names).strip(" ()\n\t").split(",")
    return [words[0] for part in parts if (words := part.split())]


def _modules(package: Path, name: str) -> Iterator[Path]:
    """The files that importing ``package.a.b`` runs: those of the parents too."""
    folder = package
    yield from _if_there(folder / "__init__.py")
    for part in name.split(".")[1:]:
        if (module := folder / f"{part}.py").is_file():
            yield module
            return
        folder /= part
        if not folder.is_dir():
            return
        yield from _if_there(folder / "__init__.py")
    if folder != package:
        yield from _if_there(folder / "__main__.py")  # for ``python -m package.a``


def _if_there(path: Path) -> Iterable[Path]:
    return [path] if path.is_file() else []


def _data_files(folder: Path) -> Iterator[Path]:
    """What is no module in a package's folder: templates, style sheets, tables."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith((".", "__pycache__", "README")) or path.suffix == ".py":
            continue
        if path.is_file():
            yield path
        elif not any(path.glob("*.py")):
            yield from _data_files(path)


def _label(path: Path, package: Path) -> str:
    """``wenliu.text.rules`` for a module, a path for a file, the bare name for what is not ours."""
    if not path.is_relative_to(package):
        return path.name
    relative = path.relative_to(package.parent)
    if path.suffix != ".py":
        return relative.as_posix()
    parts = relative.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _file_of(function: Callable[..., object]) -> Path | None:
    try:
        return Path(inspect.getfile(function)).resolve()
    except TypeError:  # written in C: Python's version or its package's says what it is
        return None


@cache
def _checksum(path: Path) -> str:
    return sha256_of(path)[:_DIGITS]


@cache
def version_of(package: str) -> str:
    """The installed version of what is imported as ``package``."""
    try:
        return version(DISTRIBUTIONS.get(package, package))
    except PackageNotFoundError:
        return "absent"
