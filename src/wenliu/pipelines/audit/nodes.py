"""Marks the rows that training may not see, and counts why."""

from __future__ import annotations

import logging
from functools import partial

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import AuditParams
from wenliu.parts import Parts

logger = logging.getLogger(__name__)


def audit_examples(
    split_examples: Table, label_map: dict, frozen_sets: dict, params: AuditParams
) -> tuple[Table, dict]:
    """Finds twins, conflicts and blank rows, and applies the policies.

    Args:
        split_examples: Rows that know their split.
        label_map: Label names in the order of their ids.
        frozen_sets: Content of ``frozen.yml``; empty where the problem is not frozen.
        params: Policies, and what counts as near.

    Returns:
        The rows with the columns ``leak`` and ``dropped``, and the report.

    Raises:
        UserError: When a policy says ``fail``, nothing is left to learn from, or something frozen
            would be learned from.
    """
    import pyarrow as pa

    from wenliu.codes import names_of
    from wenliu.frozen import Frozen
    from wenliu.pipelines.audit.frozen_rows import check_frozen, report_frozen
    from wenliu.pipelines.audit.policies import KEPT, REASONS, decide, enforce
    from wenliu.pipelines.audit.rows import Rows, fetch_rows
    from wenliu.pipelines.audit.summary import summarise
    from wenliu.pipelines.audit.texts import find_twins
    from wenliu.pipelines.audit.twins import CLOSENESS

    parts = Parts.of(split_examples)
    rows = Rows.of(parts)
    fetch = partial(fetch_rows, parts)
    twins, lengths, hashes = find_twins(parts, params.near_similarity, params.near_min_chars)
    enforce(twins, rows, fetch, params)
    dropped = decide(twins, rows, params)
    train = rows.sides["train"]
    if not (train & (dropped == KEPT)).any():
        raise UserError(
            f"The audit leaves none of the {int(train.sum())} training rows.",
            where="audit",
            remedy="Look at the splits, or set audit.leaks, audit.repeats and audit.conflicts "
            "to 'keep'.",
        )
    report = summarise(twins, rows, lengths, dropped, fetch, label_map["labels"], params)
    if frozen := Frozen.of(frozen_sets):
        is_frozen = check_frozen(frozen, hashes, rows, dropped, fetch)
        report["frozen"] = report_frozen(frozen, is_frozen, twins, rows)
        report["warnings"] += report["frozen"]["warnings"]
    for warning in report["warnings"]:
        logger.warning(warning)
    # The strongest twin in training as given, for validation and test rows.
    leaks = twins.closeness(~train, train)
    marks = pa.table({"leak": names_of(leaks, CLOSENESS), "dropped": names_of(dropped, REASONS)})
    return parts.beside(parts.cut_alike(marks)), report


def render_audit(audit_report: dict) -> str:
    """The report as one HTML page."""
    from wenliu.pipelines.audit.page import audit_page

    return audit_page(audit_report)
