"""Cleans the texts by rules that fit the checkpoint."""

from __future__ import annotations

import logging
from typing import Any

from wenliu.frames import Table
from wenliu.parallel import map_parts
from wenliu.params import CleaningParams, ModelParams
from wenliu.parts import Parts

logger = logging.getLogger(__name__)

#: Above this share of rows that nothing is left of, something is wrong with data or rules.
_MANY_BLANK = 0.01


def examine_checkpoint(params: ModelParams) -> dict:
    """The doctor's findings about the checkpoint.

    Raises:
        UserError: The checkpoint cannot be had or used, or the device to train it on is not there.
    """
    from wenliu.modeling.checkpoint import resolve_checkpoint
    from wenliu.modeling.doctor import examine

    if params.device not in ("auto", "cpu"):  # these are always there: torch need not be asked
        from wenliu.modeling.device import choose_device

        choose_device(params)  # only finetuning uses it, but said here it costs no waiting
    profile = examine(resolve_checkpoint(params), params)
    for finding in profile["findings"]:
        logger.info(finding)
    return profile


def resolve_text_settings(checkpoint_profile: dict, params: CleaningParams) -> dict:
    """The rules as they are applied, written out for the checkpoint's vocabulary."""
    from wenliu.modeling.doctor import vocabulary_of
    from wenliu.text.settings import MASKS, resolve_settings

    settings = resolve_settings(
        vocabulary=vocabulary_of(checkpoint_profile),
        lowercase=_is_on(params.lowercase, auto=checkpoint_profile["lowercase"]),
        simplify=_is_on(params.simplify, auto=not checkpoint_profile["knows_traditional"]),
        fold=_is_on(params.punctuation, auto=True),
        emoji=params.emoji,
        masking={name: getattr(params, name) for name in MASKS},
        invisible=params.invisible,
        fullwidth=params.fullwidth,
        html=params.html,
        repeats=params.repeats,
        whitespace=params.whitespace,
    )
    return settings.to_dict()


def clean_texts(
    examples: Table | Parts, text_settings: dict, params: CleaningParams
) -> tuple[Parts, dict]:
    """Adds ``clean_text`` and ``edits`` to every row.

    Returns:
        The table, and the report: rows, characters, and for each rule the rows and characters it
        touched with samples.
    """
    from wenliu.pipelines.cleaning.columns import CleanTexts
    from wenliu.text.tally import Tally

    parts = Parts.of(examples)
    clean = CleanTexts(text_settings, params.samples)
    tally = Tally(params.samples)
    tally.open(clean.normalizer.names)
    added = map_parts(
        clean, parts, ["text"], clean.schema, merge=tally.merge, description="Cleaning"
    )
    report = _report(tally, text_settings)
    for warning in report["warnings"]:
        logger.warning(warning)
    return parts.beside(added), report


def _report(tally: Any, text_settings: dict) -> dict:
    report = tally.report()
    warnings = []
    blank = report["blank_rows"]
    if blank > _MANY_BLANK * report["rows"]:
        warnings.append(
            f"Nothing is left of {blank:,} of {report['rows']:,} texts after cleaning; the audit "
            "drops them. The cleaning report shows what each rule removed."
        )
    return {
        **report,
        "simplified": text_settings["simplify"],
        "lowercased": text_settings["lowercase"],
        "folded_punctuation": "".join(text_settings["punctuation"]),
        "worded_emoji": len(text_settings["emoji"]),
        "warnings": warnings,
    }


def _is_on(switch: str, *, auto: bool) -> bool:
    return auto if switch == "auto" else switch == "on"
