"""Nodes of tokenization: text becomes token ids, and what is lost on the way is counted."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.parallel import BATCH_ROWS, map_batches, merge_counts, watch
from wenliu.params import ModelParams, TokenizationParams
from wenliu.parts import Parts, gather

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)


def build_tokenizer(
    audited_examples: Table | Parts, checkpoint_profile: dict, params: ModelParams
) -> dict:
    """The checkpoint's tokenizer as the doctor corrected it, or a character vocabulary.

    Returns:
        The parsed ``tokenizer.json``.
    """
    from wenliu.modeling.doctor import vocabulary_list
    from wenliu.text.vocabulary import build_character_tokenizer, wordpiece_tokenizer

    if checkpoint_profile["path"] is None:
        parts = Parts.of(audited_examples)
        texts = (text for batch in _training_texts(parts) for text in batch[0].to_pylist())
        tokenizer = build_character_tokenizer(texts, params.scratch.min_count)
    else:
        tokens = vocabulary_list(checkpoint_profile)
        tokenizer = wordpiece_tokenizer(tokens, lowercase=checkpoint_profile["lowercase"])
    return json.loads(tokenizer.to_str())


def choose_max_length(
    audited_examples: Table | Parts,
    tokenizer: dict,
    checkpoint_profile: dict,
    params: TokenizationParams,
) -> dict:
    """The longest row the model will see, in tokens with ``[CLS]`` and ``[SEP]``.

    ``auto`` takes the length that covers the share ``coverage`` of the training rows uncut, up to
    what the model has positions for.
    """
    import numpy as np

    from wenliu.pipelines.tokenization.columns import MeasureTexts

    parts = Parts.of(audited_examples)
    batches = map_batches(MeasureTexts(tokenizer), _training_texts(parts))
    batches = watch(batches, "Measuring lengths", parts.num_rows)
    lengths = np.concatenate([batch["length"].to_numpy() for batch in batches])
    limit = checkpoint_profile["max_positions"]
    if params.max_length == "auto":
        wanted = int(np.quantile(lengths, params.coverage, method="higher"))
        chosen = max(3, min(wanted, limit))
    else:
        chosen = params.max_length
        if not 3 <= chosen <= limit:
            raise UserError(
                f"max_length is {chosen}; the model has positions for 3 to {limit} tokens.",
                where="parameter tokenization.max_length",
            )
    return {
        "max_length": chosen,
        "truncation": params.truncation,
        "coverage": float((lengths <= chosen).mean()),
    }


def tokenize_texts(
    audited_examples: Table | Parts,
    tokenizer: dict,
    max_length: dict,
    checkpoint_profile: dict,
    params: ModelParams,
) -> tuple[Parts, dict]:
    """Token ids of every row, and the report on lengths, cuts and ``[UNK]``.

    ``[UNK]`` is counted twice: in the raw text as the checkpoint's own settings would read it,
    and in the clean text as this run reads it.
    """
    import numpy as np

    from wenliu.pipelines.tokenization.columns import TokenizeTexts
    from wenliu.schemas import TokenIds
    from wenliu.text.unknown import UnknownTally

    tokenize = TokenizeTexts(
        tokenizer,
        _as_declared(tokenizer, checkpoint_profile),
        params.task,
        max_length["max_length"],
        max_length["truncation"],
    )
    tallies = {"before": UnknownTally(tokenize.loaded), "after": UnknownTally(tokenize.loaded)}
    lengths = [np.zeros(0, np.int32)]

    def merge(counts: dict) -> None:
        for when, tally in tallies.items():
            tally.merge(counts[when])

    def keep_lengths(batches: Iterable) -> Iterator:
        for batch in batches:
            lengths.append(batch["length"].to_numpy())
            yield batch.drop_columns("length")

    parts = Parts.of(audited_examples)
    columns = [name for name in TokenIds.columns if name != "token_ids"]
    batches = parts.batches([*columns, "text", "clean_text"], BATCH_ROWS)
    batches = merge_counts(map_batches(tokenize, batches), merge)
    table = gather(
        keep_lengths(watch(batches, "Tokenizing", parts.num_rows)), TokenIds.arrow(), "arrow"
    )
    uncut = np.concatenate(lengths)
    report = {
        "rows": table.num_rows,
        "vocab_size": tokenize.loaded.get_vocab_size(),
        "max_length": max_length,
        "lengths": _describe_lengths(uncut),
        "cut": _describe_cut(uncut, max_length["max_length"]),
        "unknown": {f"{when}_cleaning": tally.report() for when, tally in tallies.items()},
        "warnings": [],
    }
    share = report["unknown"]["after_cleaning"]["row_share"]
    if share > 0.1:
        warning = f"{share:.0%} of the rows hold a character that the vocabulary does not know."
        report["warnings"].append(warning)
        logger.warning(warning)
    return table, report


def _training_texts(parts: Parts) -> Iterator:
    """Batches of the clean texts that training may see.

    Raises:
        UserError: There are none.
    """
    import pyarrow.compute as pc

    rows = 0
    for batch in parts.batches(["clean_text", "split", "dropped"], BATCH_ROWS):
        learned = pc.and_(pc.equal(batch["split"], "train"), pc.is_null(batch["dropped"]))
        texts = batch.select(["clean_text"]).filter(learned)
        rows += texts.num_rows
        if texts.num_rows:
            yield texts
    if not rows:
        raise UserError(
            "No training row is left.",
            where="tokenization",
            remedy="Look at the audit report: which rows were dropped, and why.",
        )


def _as_declared(tokenizer: dict, profile: dict) -> dict:
    """The tokenizer with the casing that the checkpoint declares, wrong or not."""
    declared = profile["declared_lowercase"]
    if declared is None:
        declared = profile["lowercase"]
    return {**tokenizer, "normalizer": {**tokenizer["normalizer"], "lowercase": declared}}


def _describe_lengths(lengths: np.ndarray) -> dict:
    """Percentiles of uncut lengths, in tokens with special tokens."""
    import numpy as np

    if not lengths.size:
        return {"p50": 0, "p90": 0, "p99": 0, "max": 0}
    p50, p90, p99 = (int(v) for v in np.percentile(lengths, [50, 90, 99], method="higher"))
    return {"p50": p50, "p90": p90, "p99": p99, "max": int(lengths.max())}


def _describe_cut(lengths: np.ndarray, max_length: int) -> dict:
    over = lengths[lengths > max_length]
    return {
        "rows": int(over.size),
        "share": over.size / max(1, lengths.size),
        "token_share": int((over - max_length).sum()) / max(1, int(lengths.sum())),
    }
