"""Every row gets its side, and keeps it as data and settings change."""

from __future__ import annotations

import logging
from collections import Counter
from typing import Any

from wenliu.frames import Table
from wenliu.params import SplittingParams
from wenliu.pipelines.splitting.plan import Plan, plan_splits
from wenliu.pipelines.splitting.shares import SPLITS, check_class_sizes, compare_shares
from wenliu.progress import progress_bar
from wenliu.text.hashing import stable_fraction
from wenliu.text.normal_form import normal_form_v1


def split_examples(
    clean_examples: Table, label_map: dict[str, Any], params: SplittingParams
) -> tuple[Table, dict[str, Any]]:
    """Assigns train, validation and test.

    Args:
        clean_examples: Rows with ``split`` where the data bring one along.
        label_map: All labels.
        params: Shares and salt.

    Returns:
        The rows with ``split`` filled and ``split_given``, and the report.

    Raises:
        UserError: A class is too small, or nothing is left for training.
    """
    import pyarrow as pa

    given = Counter(clean_examples.column("split").to_pylist())
    plan = plan_splits(given, params)
    counts: dict[str, Counter[str]] = {split: Counter() for split in SPLITS}
    moved = 0
    batches = []
    with progress_bar(clean_examples.num_rows, "splitting") as bar:
        for batch in clean_examples.to_batches():
            before = batch.column("split").to_pylist()
            after = _sides(batch, before, plan, params.salt)
            moved += sum(a != b for a, b in zip(before, after, strict=True) if a is not None)
            for split, label in zip(after, batch.column("label").to_pylist(), strict=True):
                counts[split][label] += 1
            batches.append(_with_splits(batch, before, after))
            bar.update(len(after))
    labels = label_map["labels"]
    warnings = [
        *plan.warnings,
        *check_class_sizes(counts, labels, params),
        *compare_shares(counts, labels, params.max_share_difference),
        *_parted_groups(batches),
    ]
    for warning in warnings:
        logging.getLogger(__name__).warning(warning)
    table = pa.Table.from_batches(batches)
    return table, {
        "rows": table.num_rows,
        "splits": {split: counts[split].total() for split in SPLITS},
        "labels": {split: {label: counts[split][label] for label in labels} for split in SPLITS},
        "given": {str(name).lower(): count for name, count in given.items()},
        "moved_to_validation": moved,
        "method": plan.method,
        "salt": params.salt,
        "warnings": warnings,
    }


def row_key(text: str, group: str | None) -> str:
    """What decides a row's side: its group, else the fixed normal form of its raw text."""
    return f"group:{group}" if group is not None else f"text:{normal_form_v1(text)}"


def _sides(batch: Any, given: list[str | None], plan: Plan, salt: str) -> list[str]:
    texts = batch.column("text").to_pylist()
    groups = batch.column("group").to_pylist()
    return [
        plan.side(split, stable_fraction(row_key(text, group), salt))
        if plan.must_hash(split)
        else plan.side(split, 1.0)
        for text, group, split in zip(texts, groups, given, strict=True)
    ]


def _with_splits(batch: Any, given: list[str | None], sides: list[str]) -> Any:
    import pyarrow as pa

    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["split"] = pa.array(sides, pa.string())
    columns["split_given"] = pa.array(
        [before == after for before, after in zip(given, sides, strict=True)], pa.bool_()
    )
    fields = [
        pa.field("split", pa.string(), nullable=False) if field.name == "split" else field
        for field in batch.schema
    ]
    schema = pa.schema([*fields, pa.field("split_given", pa.bool_(), nullable=False)])
    return pa.RecordBatch.from_arrays(list(columns.values()), schema=schema)


def _parted_groups(batches: list[Any]) -> list[str]:
    """Given splits may part a group; hashing never does."""
    sides: dict[str, str] = {}
    parted: dict[str, None] = {}
    for batch in batches:
        pairs = zip(
            batch.column("group").to_pylist(), batch.column("split").to_pylist(), strict=True
        )
        for group, side in pairs:
            if group is not None and sides.setdefault(group, side) != side:
                parted[group] = None
    if not parted:
        return []
    return [f"Given splits part {len(parted)} groups, the first is {next(iter(parted))!r}."]
