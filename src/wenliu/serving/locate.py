"""Which bundle is meant? The champion, the newest verified one, or the one asked for.

``champion`` and ``previous`` are links that a promotion turns. Whoever loads gets the real folder
behind the link, which stays the same while it is read.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path

from wenliu.errors import UserError
from wenliu.serving.manifest import MANIFEST

#: Where the catalog keeps bundles and the champion, and the reports that vouch for them.
BUNDLES, _REPORTS = Path("data/07_model_output"), Path("data/08_reporting")
CHAMPION, PREVIOUS = "champion", "previous"
_COMPLETE = "COMPLETE.json"  # written last by the datasets: without it a version does not exist
_REUSED = "REUSED.json"  # beside it where a later run used the version instead of making another


def locate_bundle(
    project: Path, problem: str, wanted: str | None = None, *, train: str | None = None
) -> tuple[Path, str]:
    """Finds the folder of the bundle to serve. It is not opened or verified here.

    Args:
        project: The project's root.
        problem: As in ``globals.yml``.
        wanted: A folder or a version; default: the champion, or the one before where its folder is
            gone; where none was ever promoted, the newest version that export has verified.
        train: The command that makes a bundle of this problem, where the caller knows it.

    Returns:
        The folder that holds ``manifest.json``, and a sentence that says which one it is.

    Raises:
        UserError: When there is none, saying which there are or how to make one.
    """
    home = project / BUNDLES / problem
    if wanted is not None:
        return _wanted(project, problem, wanted)
    if champion := linked(home / CHAMPION):
        return champion, f"the champion of {problem}"
    if any((home / name).is_symlink() for name in (CHAMPION, PREVIOUS)):
        return _instead(home, problem)
    verified = _verified(project, problem)
    for version in _versions(home):
        if version in verified:
            return home / "bundle" / version / "bundle", f"{problem}, version {version}"
    raise UserError(
        f"The problem {problem!r} has no exported bundle yet.",
        where=str(home),
        remedy=f"Train one with `{train}`, or name one with --bundle."
        if train
        else "Train one with the same `kedro run` without --pipelines, "
        "or name one with inference.bundle.",
    )


def _instead(home: Path, problem: str) -> tuple[Path, str]:
    """The previous champion. Other bundles were refused, rolled back, or never judged.

    Raises:
        UserError: That one is gone as well.
    """
    if previous := linked(home / PREVIOUS):
        logging.getLogger(__name__).warning("The champion's folder is gone; the next run mends it.")
        return previous, f"the previous champion of {problem}"
    raise UserError(
        f"The champion of {problem!r} is gone, and so is the one before.",
        where=str(home / CHAMPION),
        remedy="any `kedro run` but inference puts it back from the registry; or choose a version: "
        "`wenliu promote VERSION --reason WHY`; or name a bundle",
    )


def linked(link: Path) -> Path | None:
    """The real folder of the bundle behind a link; None: it leads to no bundle."""
    return link.resolve() if (link / MANIFEST).is_file() else None


def _wanted(project: Path, problem: str, wanted: str) -> tuple[Path, str]:
    for folder in (Path(wanted), Path(wanted) / "bundle"):
        if (folder / MANIFEST).is_file():
            return folder.resolve(), f"the folder {wanted}"
    home = project / BUNDLES / problem
    versions = _versions(home)
    if wanted in versions:
        note = "" if wanted in _verified(project, problem) else ", which export has not verified"
        return home / "bundle" / wanted / "bundle", f"{problem}, version {wanted}{note}"
    known = ", ".join(versions[:5]) or "none"
    raise UserError(
        f"{wanted!r} is neither a bundle's folder nor a version of {problem!r}.",
        where=str(home / "bundle"),
        remedy=f"Newest versions: {known}.",
    )


def _versions(home: Path) -> list[str]:
    """Complete versions, the one that a run made or reused last first."""
    folders = [marker.parent for marker in home.glob(f"bundle/*/{_COMPLETE}")]
    return [folder.name for folder in sorted(folders, key=_last_used, reverse=True)]


def _last_used(folder: Path) -> str:
    reused = folder / _REUSED
    return str(json.loads(reused.read_text("utf-8"))["used"]) if reused.is_file() else folder.name


def _verified(project: Path, problem: str) -> set[str]:
    """Versions of the bundle that an export report was made from."""
    reports = project / _REPORTS / problem / "export_report"
    verified = set()
    for path in reports.glob(f"*/{_COMPLETE}"):
        for note in (path, path.with_name(_REUSED)):
            if note.is_file():
                inputs = json.loads(note.read_text("utf-8")).get("inputs", {})
                verified.add(inputs.get("bundle", path.parent.name))
    return verified
