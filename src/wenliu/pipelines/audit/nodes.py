"""Marks the rows that training may not see, and counts why."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import AuditParams

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wenliu.pipelines.audit.twins import Twins

logger = logging.getLogger(__name__)


def audit_examples(
    split_examples: Table, label_map: dict, params: AuditParams
) -> tuple[Table, dict]:
    """Finds twins, conflicts and blank rows, and applies the policies.

    Args:
        split_examples: Rows that know their split.
        label_map: Label names in the order of their ids.
        params: Policies, and what counts as near.

    Returns:
        The rows with the columns ``leak`` and ``dropped``, and the report.

    Raises:
        UserError: When a policy says ``fail``, or when nothing is left to learn from.
    """
    import numpy as np

    from wenliu.pipelines.audit.policies import decide, enforce
    from wenliu.pipelines.audit.summary import summarise

    texts = split_examples["text"].to_pylist()
    ids = split_examples["id"].to_pylist()
    split = np.array(split_examples["split"].to_pylist(), dtype=np.str_)
    labels = np.array(split_examples["label_id"].to_pylist(), dtype=np.int64)
    twins = _twins(texts, split_examples["clean_text"].to_pylist(), params)
    enforce(twins, split, labels, ids, texts, params)
    dropped = decide(twins, split, labels, params)
    if not ((split == "train") & (dropped == None)).any():  # noqa: E711
        raise UserError(
            f"The audit leaves none of the {int((split == 'train').sum())} training rows.",
            where="audit",
            remedy="Look at the splits, or set audit.leaks, audit.repeats and audit.conflicts "
            "to 'keep'.",
        )
    report = summarise(twins, split, labels, dropped, ids, texts, label_map["labels"], params)
    report["sources"] = split_examples["source"].unique().to_pylist()
    for warning in report["warnings"]:
        logger.warning(warning)
    marked = _with_column(split_examples, "leak", _leaks(twins, split))
    return _with_column(marked, "dropped", dropped.tolist()), report


def render_audit(audit_report: dict) -> str:
    """The report as one HTML page."""
    from wenliu.pipelines.audit.page import audit_page

    return audit_page(audit_report)


def _twins(texts: Sequence[str], clean_texts: Sequence[str], params: AuditParams) -> Twins:
    import numpy as np

    from wenliu.pipelines.audit.twins import find_twins
    from wenliu.text.near_duplicates import near_pairs
    from wenliu.text.normal_form import normal_form_v1

    return find_twins(
        texts,
        np.array([not text.strip() for text in clean_texts], dtype=bool),
        normal_form_v1,
        lambda forms: near_pairs(
            forms, similarity=params.near_similarity, min_chars=params.near_min_chars
        ),
    )


def _leaks(twins: Twins, split: NDArray[np.str_]) -> list[str | None]:
    """The strongest twin in training as given, for validation and test rows."""
    from wenliu.pipelines.audit.twins import CLOSENESS, NO_TWIN

    levels = twins.closeness(split != "train", split == "train")
    return [CLOSENESS[level] if level < NO_TWIN else None for level in levels]


def _with_column(table: Table, name: str, values: list[Any]) -> Table:
    """Appends a nullable text column in the table's own chunks (one for each source file)."""
    import pyarrow as pa

    chunks, start = [], 0
    for chunk in table["id"].chunks:
        chunks.append(pa.array(values[start : start + len(chunk)], pa.string()))
        start += len(chunk)
    return table.append_column(pa.field(name, pa.string()), pa.chunked_array(chunks, pa.string()))
