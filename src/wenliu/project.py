"""Where the project is, found without Kedro."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from wenliu.errors import UserError


def find_project() -> Path:
    """The project root: the nearest one above the working directory, else this package's own.

    Raises:
        UserError: There is none.
    """
    for folder in (Path.cwd(), *Path.cwd().parents, Path(__file__).resolve().parents[2]):
        settings = folder / "pyproject.toml"
        if settings.is_file() and 'package_name = "wenliu"' in settings.read_text("utf-8"):
            return folder
    raise UserError(
        "There is no Wenliu project here.",
        where=str(Path.cwd()),
        remedy="go into the project's folder, or install it with: pip install -e .",
    )


def command(name: str) -> str:
    """A command of ours as it can be typed here: by its path where no environment is active."""
    if shutil.which(name):
        return name
    path = Path(sys.executable).parent / name
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
