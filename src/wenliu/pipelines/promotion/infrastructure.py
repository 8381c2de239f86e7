"""Can the model serve, and is it the one that was trained?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wenliu.pipelines.promotion.checks import Check, Group

#: A model that is this many times slower than the champion is worth a look.
_SLOWER = 2.0
#: Share of labels that must be those of evaluation, recomputed from raw text by the bundle.
_SAME_LABELS = 0.999


def infrastructure_group(
    self_tests: Mapping[str, Any],
    export_report: Mapping[str, Any],
    registered_model: Mapping[str, Any],
    blocked: Mapping[str, str],
) -> Group:
    """The group *infrastructure*.

    Args:
        self_tests: Of both bundles, in fresh processes.
        export_report: What export measured of the bundle.
        registered_model: Its version and the fingerprint of its data and configuration.
        blocked: Content or fingerprint that was rolled back -> why.
    """
    ours, theirs = self_tests["challenger"], self_tests["champion"]
    parity, raw = export_report["parity"], export_report["raw_path"]["decided_on"]
    keys = (str(export_report["bundle_sha256"]), registered_model["fingerprint"])
    rolled_back = next((blocked[key] for key in keys if key in blocked), None)
    checks = [
        Check(
            "self test",
            ours["passed"],
            f"A fresh process loaded the bundle and predicted, by {ours['engine']} in "
            f"{ours['precision']}."
            if ours["passed"]
            else f"A fresh process could not use the bundle: {ours['reason']}",
        ),
        Check(
            "checksum",
            ours["sha256"] == export_report["bundle_sha256"],
            f"The bundle's content is {str(export_report['bundle_sha256'])[:12]}, as exported."
            if ours["sha256"] == export_report["bundle_sha256"]
            else "The bundle is not the one that export verified.",
        ),
        Check(
            "ONNX is the trained model",
            parity["max_abs_logit_difference"] <= parity["tolerance"],
            f"Logits are within {parity['max_abs_logit_difference']:.1e} of torch's on "
            f"{parity['rows']:,} rows.",
            parity["max_abs_logit_difference"],
            parity["tolerance"],
        ),
        Check(
            "raw text gives evaluation's labels",
            raw["same_labels"] >= _SAME_LABELS,
            f"From raw text the bundle gives {raw['same_labels']:.1%} of {raw['rows']:,} rows "
            "evaluation's label.",
            raw["same_labels"],
            _SAME_LABELS,
        ),
        Check(
            "registered",
            registered_model["version"] is not None,
            f"It is version {registered_model['version']} of the registry."
            if registered_model["version"] is not None
            else "It is not in the registry (export.register_model), so it cannot be promoted.",
        ),
        Check(
            "not rolled back before",
            rolled_back is None,
            "Neither this content nor its data with this configuration was ever rolled back."
            if rolled_back is None
            else f"The same was there before, and {rolled_back}.",
        ),
    ]
    if theirs is not None:
        checks.append(_champion_check(theirs, registered_model["version"]))
    if ours["passed"] and theirs is not None and theirs["passed"]:
        checks.append(_cost_check(ours, theirs))
    return Group("infrastructure", checks)


def _champion_check(theirs: Mapping[str, Any], version: int | None) -> Check:
    """Who cannot be asked may still be the better one: only people put another in its place."""
    name = "the champion serves"
    if theirs["passed"]:
        return Check(name, True, "The champion's bundle passes the same self test.")
    words = f"The champion cannot be asked ({theirs['reason'].rstrip('.')}), so it stays."
    if version is not None:
        words += f" To replace it by hand: wenliu promote {version} --reason WHY."
    return Check(name, False, words)


def _cost_check(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Check:
    """Size and speed are reported; a wait that grows is said, and refuses nothing."""
    slower = ours["milliseconds_per_text"] / max(theirs["milliseconds_per_text"], 1e-3)
    return Check(
        "size and speed",
        True,
        f"{ours['bytes'] / 1e6:.1f} MB and {ours['milliseconds_per_text']:.2f} ms a text, against "
        f"{theirs['bytes'] / 1e6:.1f} MB and {theirs['milliseconds_per_text']:.2f} ms.",
        slower,
        warned=slower > _SLOWER,
    )
