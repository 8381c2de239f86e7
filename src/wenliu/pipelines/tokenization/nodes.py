"""Nodes of tokenization: text becomes token ids, and what is lost on the way is counted."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.parallel import Unchanged, map_parts
from wenliu.params import ModelParams, TokenizationParams
from wenliu.parts import Parts

if TYPE_CHECKING:
    import numpy as np

logger = logging.getLogger(__name__)

#: A length that is chosen is a multiple of this, so that new rows seldom move it: all token ids
#: that are cut elsewhere are new. On a million rows the 99 % quantile moves by 0.05 tokens a night.
_LENGTH_STEP = 32


def build_tokenizer(
    audited_examples: Table | Parts, checkpoint_profile: dict, params: ModelParams
) -> dict:
    """The checkpoint's tokenizer as the doctor corrected it, or a character vocabulary.

    Returns:
        The parsed ``tokenizer.json``.

    Raises:
        UserError: No row is left to take the vocabulary from.
    """
    from wenliu.modeling.doctor import vocabulary_list
    from wenliu.pipelines.tokenization.columns import CountCharacters
    from wenliu.text.vocabulary import character_tokenizer, wordpiece_tokenizer

    if checkpoint_profile["path"] is None:
        counts: list[dict[str, Any]] = []
        reads = ["clean_text", "split", "dropped"]
        parts = Parts.of(audited_examples)
        map_parts(
            CountCharacters(), parts, reads, merge=counts.append, description="Counting characters"
        )
        if not sum(count["rows"] for count in counts):
            raise _nothing_to_learn_from()
        characters = (count["characters"] for count in counts)
        tokenizer = character_tokenizer(characters, params.scratch.min_count)
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

    ``auto`` takes the length, a multiple of 32, that covers the share ``coverage`` of the training
    rows uncut, up to what the model has positions for.

    Raises:
        UserError: The length that is given does not fit the model, or no training row is left.
    """
    import numpy as np
    import pyarrow.compute as pc

    from wenliu.pipelines.tokenization.measuring import measure

    parts = Parts.of(audited_examples)
    measured, _ = measure(parts, tokenizer, checkpoint_profile)
    rows = parts.table(["split", "dropped"])
    learned = pc.and_(pc.equal(rows["split"], "train"), pc.is_null(rows["dropped"]))
    lengths = measured.column("length").filter(learned).to_numpy()
    if not lengths.size:
        raise _nothing_to_learn_from()
    limit = checkpoint_profile["max_positions"]
    if params.max_length == "auto":
        wanted = int(np.quantile(lengths, params.coverage, method="higher"))
        chosen = min(-(-wanted // _LENGTH_STEP) * _LENGTH_STEP, limit)
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
    from wenliu.pipelines.tokenization.columns import TokenizeTexts
    from wenliu.pipelines.tokenization.measuring import measure, vocabularies
    from wenliu.schemas import TokenIds

    parts = Parts.of(audited_examples)
    longest = max_length["max_length"]
    tokenize = TokenizeTexts(tokenizer, params.task, longest, max_length["truncation"])
    ids = map_parts(
        tokenize,
        parts,
        ["clean_text"],
        tokenize.schema,
        format="arrow",
        also=vocabularies(parts, tokenizer),
        description="Tokenizing",
    )
    # Each in files of its own: a mark that changes does not write the others again.
    for names in (["id", "label_id"], ["split"], ["dropped"]):
        some = parts.select(names)
        ids = map_parts(Unchanged(), some, names, some.schema, format="arrow").beside(ids)
    measured, unknown = measure(parts, tokenizer, checkpoint_profile)
    uncut = measured.column("length").to_numpy()
    report: dict[str, Any] = {
        "rows": parts.num_rows,
        "vocab_size": tokenize.loaded.get_vocab_size(),
        "max_length": max_length,
        "lengths": _describe_lengths(uncut),
        "cut": _describe_cut(uncut, longest),
        "unknown": unknown,
        "warnings": [],
    }
    share = unknown["after_cleaning"]["row_share"]
    if share > 0.1:
        warning = f"{share:.0%} of the rows hold a character that the vocabulary does not know."
        report["warnings"].append(warning)
        logger.warning(warning)
    return ids.select(list(TokenIds.columns)), report


def _nothing_to_learn_from() -> UserError:
    return UserError(
        "No training row is left.",
        where="tokenization",
        remedy="Look at the audit report: which rows were dropped, and why.",
    )


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
