"""Lengths of all rows in tokens, and what of them the vocabulary does not know."""

from __future__ import annotations

from typing import Any

from wenliu import memo
from wenliu.parallel import map_parts
from wenliu.parts import Parts
from wenliu.pipelines.tokenization.columns import FindAlphabet, MeasureTexts


def measure(
    parts: Parts, tokenizer: dict[str, Any], profile: dict[str, Any]
) -> tuple[Parts, dict[str, Any]]:
    """The uncut length of every row, and a report on ``[UNK]`` before and after cleaning.

    Args:
        parts: Rows with ``text`` and ``clean_text``.
        tokenizer: The parsed ``tokenizer.json``.
        profile: The checkpoint's, which says what casing it declares.

    Returns:
        The column ``length``, in tokens with ``[CLS]`` and ``[SEP]``, and the report.
    """
    from wenliu.text.unknown import UnknownTally

    function = MeasureTexts(tokenizer, _as_declared(tokenizer, profile))
    tallies = {"before": UnknownTally(function.loaded), "after": UnknownTally(function.loaded)}

    def merge(counts: dict[str, Any]) -> None:
        for when, tally in tallies.items():
            tally.merge(counts[when])

    measured = map_parts(
        function,
        parts,
        ["text", "clean_text"],
        function.schema,
        format="arrow",
        merge=merge,
        also=vocabularies(parts, tokenizer, function.declared["normalizer"]),
        description="Measuring lengths",
    )
    return measured, {f"{when}_cleaning": tally.report() for when, tally in tallies.items()}


def vocabularies(parts: Parts, tokenizer: dict[str, Any], *others: Any) -> list[str]:
    """For each part a hash of everything in the tokenizer that its texts can meet.

    A vocabulary that grew by a character changes nothing for parts without the character.
    """
    from wenliu.text.vocabulary import tokens_within

    alphabets: list[dict[str, str]] = []
    map_parts(
        FindAlphabet(),
        parts,
        ["text", "clean_text"],
        merge=alphabets.append,
        description="Reading the texts",
    )
    settings = {**tokenizer, "model": {**tokenizer["model"], "vocab": {}}}
    return [
        memo.key_of(settings, tokens_within(tokenizer, alphabet["characters"]), others)
        for alphabet in alphabets
    ]


def _as_declared(tokenizer: dict[str, Any], profile: dict[str, Any]) -> dict[str, Any]:
    """The tokenizer with the casing that the checkpoint declares, wrong or not."""
    declared = profile["declared_lowercase"]
    if declared is None:
        declared = profile["lowercase"]
    return {**tokenizer, "normalizer": {**tokenizer["normalizer"], "lowercase": declared}}
