"""Can the champion be asked?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def examine_champion(reigning_champion: Mapping[str, Any]) -> dict[str, Any] | None:
    """Loads the champion in a fresh process, and where that fails once more.

    Nothing is promoted over a champion that cannot be asked, and a machine that was busy for a
    moment should not cost the night.

    Returns:
        As :func:`wenliu.serving.self_test.self_test`; None where there never was a champion. One
        whose bundle is lost, or that lost its alias, fails with what ``reason`` says.
    """
    from wenliu.serving.self_test import self_test

    if folder := reigning_champion["folder"]:
        tested = self_test(folder)
        return tested if tested["passed"] else self_test(folder)
    reason = reigning_champion["reason"]
    if reigning_champion["version"] is None and not reason:
        return None
    return {"passed": False, "reason": reason, "sha256": None, "labels": []}
