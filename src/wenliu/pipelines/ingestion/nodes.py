"""Raw files to examples."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wenliu.errors import UserError
from wenliu.frames import Table
from wenliu.params import IngestionParams
from wenliu.parts import gather
from wenliu.pipelines.ingestion.labels import LabelReader, order_labels, read_label_names
from wenliu.pipelines.ingestion.splits import UNKNOWN_SPLIT, splits_of_files
from wenliu.readers import RawFile, ReadOptions, open_files
from wenliu.readers.guessing import MAX_LABELS, NO_SPLITS

if TYPE_CHECKING:
    from wenliu.pipelines.ingestion.judging import FileTally

#: Bad rows that a message shows.
_SHOWN_BAD_ROWS = 3


def read_examples(
    raw_files: list, params: IngestionParams
) -> tuple[Table, Table, dict[str, Any], dict[str, Any]]:
    """Reads all raw files of a problem, a block of rows at a time.

    Args:
        raw_files: Paths; the file of label names may be among them.
        params: How to read them.

    Returns:
        Examples, quarantine, label map, report.

    Raises:
        UserError: A file cannot be read, a column is missing, ids repeat, or too many rows are
            bad.
    """
    from wenliu.pipelines.ingestion.ids import settle_ids
    from wenliu.pipelines.ingestion.judging import FileTally, judge, judged_schema
    from wenliu.pipelines.ingestion.reports import describe_ingestion
    from wenliu.pipelines.ingestion.tables import examples_table, quarantine_table

    paths = [Path(path) for path in raw_files]
    names = None
    if params.label_names is not None:
        names, paths = read_label_names(paths, params.label_names)
    sources = _source_names(paths)
    given, splits_found = splits_of_files([path.name for path in paths], params.splits)
    files = open_files(paths, _options(params), params.columns.model_dump(), params.limit)
    for file in files:
        _require_columns(file)
    reader = LabelReader(names)
    tallies = [FileTally(source, file) for source, file in zip(sources, files, strict=True)]
    # Uncompressed: read once more, when all ids and labels are known.
    judged = gather(
        (
            batch
            for tally, path in zip(tallies, paths, strict=True)
            for batch in judge(tally, reader, given.get(path.name), params.split_values)
        ),
        judged_schema(),
        "arrow",
    )
    use_ids, warnings = settle_ids(judged, tallies, given=params.columns.id is not None)
    _refuse_too_many_bad_rows(tallies, params.max_bad_rows)
    labels = names or order_labels(label for tally in tallies for label in tally.labels)
    warnings += _splits_passed_over(files, params)
    if by_column := sorted({file.roles["split"] or "" for file in files if file.has("split")}):
        splits_found = f"column {', '.join(map(repr, by_column))}"
    _check_labels(tallies, labels)
    report = describe_ingestion(tallies, labels, splits_found, warnings)
    for warning in report["warnings"]:
        logging.getLogger(__name__).warning(warning)
    examples = examples_table(judged, labels, use_ids=use_ids)
    return examples, quarantine_table(judged), {"labels": labels}, report


def _options(params: IngestionParams) -> ReadOptions:
    return ReadOptions(
        format=params.format,
        encoding=params.encoding,
        delimiter=params.delimiter,
        quoting=params.quoting,
        header=params.header,
        sheet=params.sheet,
        max_file_bytes=params.max_file_bytes,
        max_expansion=params.max_expansion,
        max_row_chars=params.max_row_chars,
    )


def _source_names(paths: list[Path]) -> list[str]:
    if not paths:
        raise UserError(
            "There are no raw files beside the label names.",
            where="raw_files in the catalog",
            remedy="put the data files there",
        )
    names = [path.name for path in paths]
    if len(set(names)) == len(names):
        return names
    # Two folders with a train.csv each: tell them apart by their folders.
    common = os.path.commonpath([path.parent for path in paths])
    return [path.relative_to(common).as_posix() for path in paths]


def _require_columns(file: RawFile) -> None:
    for role in ("text", "label"):
        if not file.has(role):
            found = file.sniffed
            sheet = found.reasons.get("sheet")
            raise UserError(
                f"No {role} column was found ({found.reasons[role]}); "
                f"there are {', '.join(map(repr, found.columns))}.",
                where=f"{found.path}, sheet {sheet}" if sheet else str(found.path),
                remedy=("give ingestion.sheet, or " if sheet else "")
                + f"give ingestion.columns.{role}; a file with the names of integer labels "
                "goes into ingestion.label_names",
            )


def _splits_passed_over(files: list[RawFile], params: IngestionParams) -> list[str]:
    """Warnings about columns that may be splits and are not used as such.

    Raises:
        UserError: Values of a split column are named, and there is no such column.
    """
    if params.split_values and not any(file.has("split") for file in files):
        raise UserError(
            "Values of a split column are given, but no column of splits was found.",
            where="ingestion.split_values",
            remedy="name the column in ingestion.columns.split",
        )
    reasons = {file.sniffed.reasons["split"]: None for file in files if not file.has("split")}
    return [
        f"Not used as splits: {reason.removeprefix(NO_SPLITS).split(': ', 1)[-1]}; if it is one, "
        "give ingestion.columns.split and ingestion.split_values."
        for reason in reasons
        if reason != NO_SPLITS and reason.startswith(NO_SPLITS)
    ]


def _refuse_too_many_bad_rows(tallies: list[FileTally], allowed: float) -> None:
    bad = sum(tally.bad for tally in tallies)
    rows = sum(tally.rows for tally in tallies) + bad
    if bad <= allowed * rows:
        return
    first = [(tally.source, row) for tally in tallies for row in tally.first_bad]
    shown = "; ".join(
        f"{source}, line {row.line}"
        + (f", column {row.column!r}" if row.column else "")
        + f": {row.reason}"
        for source, row in first[:_SHOWN_BAD_ROWS]
    )
    remedy = "mend the rows, or raise ingestion.max_bad_rows to go on without them"
    if unknown := next((tally.unknown_split for tally in tallies if tally.unknown_split), ""):
        value = unknown.removeprefix(UNKNOWN_SPLIT).split(" is unknown")[0].strip()
        remedy = f"say what {value} is, e.g. ingestion.split_values: {{{value}: test}}; or {remedy}"
    raise UserError(
        f"{bad} of {rows} rows are bad ({bad / rows:.1%}); {allowed:.1%} are allowed.",
        where=shown + ("; ..." if bad > _SHOWN_BAD_ROWS else ""),
        remedy=remedy,
    )


def _check_labels(tallies: list[FileTally], labels: list[str]) -> None:
    rows = sum(tally.rows for tally in tallies)
    if len(labels) < 2:
        raise UserError(
            f"All {rows} rows have the label {labels[0]!r}." if labels else "There are no rows.",
            where=", ".join(tally.source for tally in tallies),
            remedy="a classifier needs two labels; check ingestion.columns.label, and whether "
            "ingestion.limit takes the first rows of a sorted file",
        )
    if len(labels) > MAX_LABELS and 2 * len(labels) > rows:
        raise UserError(
            f"There are {len(labels)} labels in {rows} rows: that is no column of labels.",
            where=", ".join(tally.source for tally in tallies),
            remedy="give ingestion.columns.label",
        )
