"""Nodes of tokenization: text becomes token ids, and what is lost on the way is counted."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import ModelParams, TokenizationParams

if TYPE_CHECKING:
    from tokenizers import Tokenizer

logger = logging.getLogger(__name__)


def build_tokenizer(audited_examples: Table, checkpoint_profile: dict, params: ModelParams) -> dict:
    """The checkpoint's tokenizer as the doctor corrected it, or a character vocabulary.

    Returns:
        The parsed ``tokenizer.json``.
    """
    from wenliu.modeling.doctor import vocabulary_list
    from wenliu.text.vocabulary import build_character_tokenizer, wordpiece_tokenizer

    if checkpoint_profile["path"] is None:
        texts = _training_texts(audited_examples)
        tokenizer = build_character_tokenizer(texts, params.scratch.min_count)
    else:
        tokens = vocabulary_list(checkpoint_profile)
        tokenizer = wordpiece_tokenizer(tokens, lowercase=checkpoint_profile["lowercase"])
    return json.loads(tokenizer.to_str())


def choose_max_length(
    audited_examples: Table,
    tokenizer: dict,
    checkpoint_profile: dict,
    params: TokenizationParams,
) -> dict:
    """The longest row the model will see, in tokens with ``[CLS]`` and ``[SEP]``.

    ``auto`` takes the length that covers the share ``coverage`` of the training rows uncut, up to
    what the model has positions for.
    """
    import numpy as np

    from wenliu.progress import track
    from wenliu.text.encoding import BATCH_ROWS, load_tokenizer, token_rows

    loaded = load_tokenizer(tokenizer)
    texts = _training_texts(audited_examples)
    starts = range(0, len(texts), BATCH_ROWS)
    lengths = np.array(
        [
            len(ids) + 2
            for start in track(starts, "measuring lengths", unit="batch")
            for ids in token_rows(loaded, texts[start : start + BATCH_ROWS])
        ],
        dtype=np.int64,
    )
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
    audited_examples: Table,
    tokenizer: dict,
    max_length: dict,
    checkpoint_profile: dict,
    params: ModelParams,
) -> tuple[Table, dict]:
    """Token ids of every row, and the report on lengths, cuts and ``[UNK]``.

    ``[UNK]`` is counted twice: in the raw text as the checkpoint's own settings would read it,
    and in the clean text as this run reads it.
    """
    import numpy as np
    import pyarrow as pa

    from wenliu.progress import progress_bar
    from wenliu.tasks import get_task
    from wenliu.text.encoding import BATCH_ROWS, load_tokenizer
    from wenliu.text.unknown import UnknownTally

    task = get_task(params.task)
    loaded = load_tokenizer(tokenizer)
    before = UnknownTally(_as_declared(tokenizer, checkpoint_profile))
    after = UnknownTally(loaded)
    lengths: list[int] = []
    parts = []
    with progress_bar(audited_examples.num_rows, "tokenizing") as bar:
        for chunk in audited_examples.to_batches(max_chunksize=BATCH_ROWS):
            before.add(chunk.column("text").to_pylist())
            clean = chunk.column("clean_text").to_pylist()
            lengths.extend(count + 2 for count in after.add(clean))
            flat, offsets = task.encode(
                loaded, clean, max_length["max_length"], max_length["truncation"]
            )
            ids = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(flat))
            columns = {name: chunk.column(name) for name in ("id", "split", "label_id", "dropped")}
            parts.append(pa.RecordBatch.from_pydict({**columns, "token_ids": ids}, _schema()))
            bar.update(chunk.num_rows)
    table = pa.Table.from_batches(parts, _schema())
    report = {
        "rows": table.num_rows,
        "vocab_size": loaded.get_vocab_size(),
        "max_length": max_length,
        "lengths": _describe_lengths(lengths),
        "cut": _describe_cut(lengths, max_length["max_length"]),
        "unknown": {"before_cleaning": before.report(), "after_cleaning": after.report()},
        "warnings": [],
    }
    share = report["unknown"]["after_cleaning"]["row_share"]
    if share > 0.1:
        warning = f"{share:.0%} of the rows hold a character that the vocabulary does not know."
        report["warnings"].append(warning)
        logger.warning(warning)
    return table, report


def _schema() -> Table:
    from wenliu.schemas import TokenIds

    return TokenIds.arrow()


def _training_texts(audited_examples: Table) -> list[str]:
    """Clean texts that training may see."""
    import pyarrow.compute as pc

    chosen = pc.and_(
        pc.equal(audited_examples["split"], "train"), pc.is_null(audited_examples["dropped"])
    )
    texts = audited_examples["clean_text"].filter(chosen).to_pylist()
    if not texts:
        raise UserError(
            "No training row is left.",
            where="tokenization",
            remedy="Look at the audit report: which rows were dropped, and why.",
        )
    return texts


def _as_declared(tokenizer: dict, profile: dict) -> Tokenizer:
    """The tokenizer with the casing that the checkpoint declares, wrong or not."""
    from wenliu.text.encoding import load_tokenizer

    declared = profile["declared_lowercase"]
    if declared is None:
        declared = profile["lowercase"]
    normalizer = {**tokenizer["normalizer"], "lowercase": declared}
    return load_tokenizer({**tokenizer, "normalizer": normalizer})


def _describe_lengths(lengths: list[int]) -> dict:
    """Percentiles of uncut lengths, in tokens with special tokens."""
    import numpy as np

    if not lengths:
        return {"p50": 0, "p90": 0, "p99": 0, "max": 0}
    p50, p90, p99 = (int(v) for v in np.percentile(lengths, [50, 90, 99], method="higher"))
    return {"p50": p50, "p90": p90, "p99": p99, "max": max(lengths)}


def _describe_cut(lengths: list[int], max_length: int) -> dict:
    rows = sum(length > max_length for length in lengths)
    tokens = sum(max(0, length - max_length) for length in lengths)
    return {
        "rows": rows,
        "share": rows / max(1, len(lengths)),
        "token_share": tokens / max(1, sum(lengths)),
    }
