"""Where the project is, found without Kedro."""

from __future__ import annotations

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
