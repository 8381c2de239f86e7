"""Raw files to examples."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from wenliu.frames import Table
from wenliu.inbox import came_by_inbox
from wenliu.params import IngestionParams
from wenliu.settled import NOTHING_SETTLED


def read_examples(
    raw_files: list,
    frozen_sets: dict,
    params: IngestionParams,
    settled_intakes: dict | None = None,
) -> tuple[Table, Table, dict[str, Any], dict[str, Any]]:
    """Reads the raw files of a problem, those that it has not read on another night.

    Args:
        raw_files: Paths; the file of label names may be among them.
        frozen_sets: Its ``labels`` are the order of labels; empty where nothing is frozen.
        params: How to read the files.
        settled_intakes: With which files a night has passed; None: with none.

    Returns:
        Examples, quarantine, label map, report.

    Raises:
        UserError: A file cannot be read, a column is missing, ids repeat, too many rows are bad,
            or the guard stops the run.
    """
    from wenliu.pipelines.ingestion.checks import (
        check_label_count,
        check_unchanged,
        refuse_too_many_bad_rows,
        splits_passed_over,
    )
    from wenliu.pipelines.ingestion.columns import number_rows
    from wenliu.pipelines.ingestion.guard import guard_labels, refuse
    from wenliu.pipelines.ingestion.ids import settle_ids
    from wenliu.pipelines.ingestion.labels import label_map_of, read_label_names
    from wenliu.pipelines.ingestion.opening import open_raw_files, source_names
    from wenliu.pipelines.ingestion.reading import FileReader, read_files
    from wenliu.pipelines.ingestion.reports import describe_ingestion
    from wenliu.pipelines.ingestion.shifts import guard_new_rows
    from wenliu.pipelines.ingestion.splits import splits_of_files

    paths = [Path(path) for path in raw_files]
    names = None
    if params.label_names is not None:
        names, paths = read_label_names(paths, params.label_names)
    sources = source_names(paths)
    # What somebody calls a file that he drops must not put its rows into the test set.
    own = [path.name for path in paths if not came_by_inbox(path)]
    given, splits_found = splits_of_files(own, params.splits)
    files = open_raw_files(paths, params)
    check_unchanged(files)
    reader = FileReader(names, params.split_values)
    tallies, good, quarantine = read_files(reader, sources, files, given)
    use_ids, warnings = settle_ids(good, tallies, given=params.columns.id is not None)
    refuse_too_many_bad_rows(tallies, params.max_bad_rows)
    frozen = frozen_sets.get("labels")
    settled = settled_intakes or NOTHING_SETTLED
    awaited = set(frozen_sets.get("added", ())) - set(settled["labels"])
    findings = refuse(
        [
            *guard_labels(tallies, frozen, names, awaited, trial=params.limit is not None),
            *guard_new_rows(tallies, settled, params.guard),
        ]
    )
    label_map = label_map_of(frozen, names, (label for tally in tallies for label in tally.labels))
    warnings += splits_passed_over(files, params)
    if by_column := sorted({file.roles["split"] or "" for file in files if file.has("split")}):
        splits_found = f"column {', '.join(map(repr, by_column))}"
    labels = label_map["labels"]
    check_label_count(tallies, labels)
    report = describe_ingestion(tallies, good, labels, splits_found, findings, warnings)
    for warning in report["warnings"]:
        logging.getLogger(__name__).warning(warning)
    return number_rows(good, tuple(labels), tallies, use_ids), quarantine, label_map, report
