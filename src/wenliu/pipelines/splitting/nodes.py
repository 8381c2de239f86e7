"""Every row gets its side, and keeps it as data and settings change."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from wenliu.frames import Table
from wenliu.params import SplittingParams
from wenliu.parts import Parts, gather
from wenliu.pipelines.splitting.plan import Plan, plan_splits
from wenliu.pipelines.splitting.shares import SPLITS, check_class_sizes, compare_shares
from wenliu.progress import progress_bar

if TYPE_CHECKING:
    import pyarrow as pa

    from wenliu.pipelines.splitting.tally import SplitTally


def split_examples(
    clean_examples: Table, label_map: dict[str, Any], params: SplittingParams
) -> tuple[Table, dict[str, Any]]:
    """Assigns train, validation and test, part by part.

    Args:
        clean_examples: Rows with ``split`` where the data bring one along.
        label_map: All labels.
        params: Shares and salt.

    Returns:
        The rows with ``split`` filled and ``split_given``, and the report.

    Raises:
        UserError: A class is too small, or nothing is left for training.
    """
    from wenliu.pipelines.splitting.tally import SplitTally, group_of

    parts = Parts.of(clean_examples)
    given: Counter[str | None] = Counter()
    for batch in parts.batches(["split"]):
        given.update(batch["split"].to_pylist())
    plan = plan_splits(given, params)
    tally = SplitTally()
    table = gather(_split(parts, plan, params.salt, tally), _schema(parts.schema))
    counts = tally.counts
    labels = label_map["labels"]
    warnings = [
        *plan.warnings,
        *check_class_sizes(counts, labels, params),
        *compare_shares(counts, labels, params.max_share_difference),
    ]
    parted, row = tally.parted_groups()
    if parted:
        first = group_of(parts, row)
        warnings.append(f"Given splits part {parted} groups, the first is {first!r}.")
    for warning in warnings:
        logging.getLogger(__name__).warning(warning)
    return table, {
        "rows": table.num_rows,
        "splits": {split: counts[split].total() for split in SPLITS},
        "labels": {split: {label: counts[split][label] for label in labels} for split in SPLITS},
        "given": {str(name).lower(): count for name, count in given.items()},
        "moved_to_validation": tally.moved,
        "method": plan.method,
        "salt": params.salt,
        "warnings": warnings,
    }


def row_keys(texts: Sequence[str], groups: Sequence[str | None]) -> list[str]:
    """What decides a row's side: its group, else the fixed normal form of its raw text."""
    from wenliu.text.normal_form import normal_forms_v1

    forms = normal_forms_v1(texts)
    return [
        f"group:{group}" if group is not None else f"text:{form}"
        for form, group in zip(forms, groups, strict=True)
    ]


def _split(parts: Parts, plan: Plan, salt: str, tally: SplitTally) -> Iterator[pa.RecordBatch]:
    with progress_bar(parts.num_rows, "splitting") as bar:
        for batch in parts.batches():
            given, groups = batch["split"].to_pylist(), batch["group"].to_pylist()
            sides = _sides(batch, given, groups, plan, salt)
            tally.add(given, sides, batch["label"].to_pylist(), groups)
            yield _with_splits(batch, given, sides)
            bar.update(batch.num_rows)


def _sides(
    batch: pa.RecordBatch,
    given: Sequence[str | None],
    groups: Sequence[str | None],
    plan: Plan,
    salt: str,
) -> list[str]:
    from wenliu.text.hashing import stable_fraction

    if not any(map(plan.must_hash, set(given))):
        return [plan.side(split, 1.0) for split in given]
    keys = row_keys(batch["text"].to_pylist(), groups)
    return [
        plan.side(split, stable_fraction(key, salt) if plan.must_hash(split) else 1.0)
        for key, split in zip(keys, given, strict=True)
    ]


def _schema(schema: pa.Schema) -> pa.Schema:
    import pyarrow as pa

    number = schema.get_field_index("split")
    schema = schema.set(number, pa.field("split", pa.string(), nullable=False))
    return schema.append(pa.field("split_given", pa.bool_(), nullable=False))


def _with_splits(
    batch: pa.RecordBatch, given: Sequence[str | None], sides: Sequence[str]
) -> pa.RecordBatch:
    import pyarrow as pa

    schema = _schema(batch.schema)
    columns = {name: batch[name] for name in batch.schema.names}
    columns["split"] = pa.array(sides, pa.string())
    columns["split_given"] = pa.array(
        [before == after for before, after in zip(given, sides, strict=True)], pa.bool_()
    )
    return pa.RecordBatch.from_arrays([columns[name] for name in schema.names], schema=schema)
