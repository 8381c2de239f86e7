"""Loads the bundle that is meant, and keeps the old champion where the new one fails."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from wenliu.serving.bundle import Bundle
from wenliu.serving.locate import BUNDLES, CHAMPION, PREVIOUS, linked, locate_bundle
from wenliu.serving.manifest import BundleError

_TEXT = "快递三天了还没到，客服也不回消息"


def load_bundle(
    project: Path,
    problem: str,
    wanted: str | None = None,
    *,
    train: str | None = None,
    **options: Any,
) -> tuple[Bundle, str]:
    """Loads the bundle that :func:`locate_bundle` finds and asks it for one prediction.

    A champion that is damaged or does not answer is left alone with a warning, and the champion
    before it serves.

    Args:
        project: The project's root.
        problem: As in ``globals.yml``.
        wanted: A folder or a version; default: the champion, else the newest verified one.
        train: The command that makes a bundle of this problem, where the caller knows it.
        options: As :meth:`Bundle.load` takes them.

    Returns:
        The bundle, and a sentence that says which one it is.

    Raises:
        UserError: There is none, or the one asked for, or both champions, cannot be used.
    """
    folder, which = locate_bundle(project, problem, wanted, train=train)
    home = project / BUNDLES / problem
    previous = linked(home / PREVIOUS)
    if wanted is not None or previous in (None, folder) or folder != linked(home / CHAMPION):
        return _load(folder, options), which
    assert previous is not None
    try:
        return _load(folder, options), which
    except (BundleError, OSError) as error:
        logging.getLogger(__name__).warning(
            "The champion is not used, the previous one serves: %s", " ".join(str(error).split())
        )
    return _load(previous, options), f"the previous champion of {problem}"


def _load(folder: Path, options: dict[str, Any]) -> Bundle:
    bundle = Bundle.load(folder, **options)
    [prediction] = bundle.predict([_TEXT])
    if not np.isfinite(prediction.probabilities).all():
        raise BundleError("The bundle answers with something that is no number.", where=folder)
    return bundle
