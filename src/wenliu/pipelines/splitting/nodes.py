"""Every row gets its side, and keeps it as data and settings change."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from wenliu.frames import Table
from wenliu.params import SplittingParams
from wenliu.parts import Parts
from wenliu.pipelines.splitting.shares import SPLITS, check_class_sizes, compare_shares

if TYPE_CHECKING:
    from wenliu.codes import Codes
    from wenliu.frozen import Frozen
    from wenliu.pipelines.splitting.judging import Judging
    from wenliu.pipelines.splitting.narrow import NarrowRows
    from wenliu.pipelines.splitting.plan import Plan


def split_examples(
    clean_examples: Table,
    label_map: dict[str, Any],
    frozen_sets: dict[str, Any],
    params: SplittingParams,
) -> tuple[Table, dict[str, Any]]:
    """Assigns train, validation and test, and marks the rows that judge models.

    Args:
        clean_examples: Rows with ``split`` where the data bring one along.
        label_map: All labels.
        frozen_sets: Content of ``frozen.yml``; empty where the problem is not frozen.
        params: Shares and salt.

    Returns:
        The rows with ``split`` filled, ``split_given`` and ``eval_set``, and the report.

    Raises:
        UserError: A class is too small, nothing is left for training, or what is frozen does not
            fit the parameters or the data.
    """
    from wenliu.frozen import Frozen
    from wenliu.pipelines.splitting.judging import check_rules
    from wenliu.pipelines.splitting.narrow import NarrowRows, group_of
    from wenliu.pipelines.splitting.plan import plan_splits
    from wenliu.pipelines.splitting.tally import count_given, count_labels, parted_groups

    parts = Parts.of(clean_examples)
    frozen = Frozen.of(frozen_sets)
    if frozen:
        check_rules(frozen, params)
    rows = NarrowRows.of(parts)
    given = rows.given
    plan = plan_splits(count_given(given), params, frozen)
    judging = _deal(parts, rows, plan, frozen, params)
    labels = label_map["labels"]
    counts = count_labels(judging.sides, rows.labels, labels)
    warnings = [
        *plan.warnings,
        *judging.warnings,
        *check_class_sizes(counts, labels, params, frozen.added if frozen else ()),
        *compare_shares(counts, labels, params.max_share_difference),
    ]
    parted, row = parted_groups(rows.groups, judging.sides)
    if parted:
        first = group_of(parts, row)
        warnings.append(f"Given splits part {parted} groups, the first is {first!r}.")
    for warning in warnings:
        logging.getLogger(__name__).warning(warning)
    return _with_splits(parts, given, judging), {
        "rows": parts.num_rows,
        "splits": {split: counts[split].total() for split in SPLITS},
        "labels": {split: {label: counts[split][label] for label in labels} for split in SPLITS},
        "given": {str(name).lower(): count for name, count in count_given(given).items()},
        "moved_to_validation": plan.moved_to_validation(given, judging.sides),
        "method": plan.method,
        "salt": params.salt,
        "frozen": judging.report,
        "warnings": warnings,
    }


def _deal(
    parts: Parts,
    rows: NarrowRows,
    plan: Plan,
    frozen: Frozen | None,
    params: SplittingParams,
) -> Judging:
    import numpy as np

    from wenliu.pipelines.splitting.columns import read_keys
    from wenliu.pipelines.splitting.judging import Judging, judge

    undealt = np.zeros(parts.num_rows, bool)
    if not (plan.hashes or frozen):
        return Judging.nothing(plan.sides(rows.given, np.ones(parts.num_rows), undealt))
    keys = read_keys(parts, params.salt)
    fractions, forms = keys["fraction"].to_numpy(), keys["form"].to_numpy()
    if not frozen:
        return Judging.nothing(plan.sides(rows.given, fractions, undealt))
    undealt = rows.from_files(frozen.undealt)
    return judge(frozen, plan.sides(rows.given, fractions, undealt), forms, params)


def _with_splits(parts: Parts, given: Codes, judging: Judging) -> Parts:
    """The columns that are new beside the others, whose files need not be written again."""
    import pyarrow as pa

    from wenliu.codes import names_of
    from wenliu.pipelines.splitting.judging import EVAL_SETS
    from wenliu.schemas import SplitExamples

    schema = SplitExamples.arrow()
    columns = {
        "split": names_of(judging.sides, SPLITS),
        "split_given": pa.array(given == judging.sides),
        "eval_set": names_of(judging.marks, EVAL_SETS),
    }
    narrow = pa.table(columns, pa.schema([schema.field(name) for name in columns]))
    return parts.without(columns).beside(parts.cut_alike(narrow)).select(schema.names)
