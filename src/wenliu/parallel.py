"""Column functions over batches: in this process, or in several where that pays.

A column function takes an Arrow record batch and returns one: a frozen dataclass that holds its
settings and builds what it needs (a dictionary, a tokenizer) at its first batch in a process. So
the same function runs here, in spawned processes, or on an engine that maps Arrow batches.

What a function counts on the way travels as JSON in the metadata of the batch's schema: whoever
runs it merges that, and no second channel is needed. What it makes of a part, counts included, is
remembered: :func:`map_parts` runs it over the parts that it has not seen.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import islice
from math import ceil
from typing import TYPE_CHECKING, Any, Literal

from wenliu import memo
from wenliu.column_files import Format
from wenliu.gathering import collect
from wenliu.part import Part
from wenliu.parts import Parts
from wenliu.progress import progress_bar
from wenliu.worker_pool import in_pool

if TYPE_CHECKING:
    import pyarrow as pa
    from tqdm import tqdm

#: Rows of one batch: some megabytes, so that a dozen of them on their way do not matter.
BATCH_ROWS = 8_192
#: More processes would wait for the one that reads and writes.
_MOST_PROCESSES = 16
_COUNTS = b"wenliu.counts"


class ColumnFunction(ABC):
    """Base of the column functions, which are frozen dataclasses."""

    @abstractmethod
    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The new batch, row by row as the given one."""

    @property
    def pays_above(self) -> int:
        """Bytes of input above which a pool is worth its start: four seconds of work alone.

        Most stages read some 5 million Chinese characters a second, 20 million in that time; two
        processes take 2 s for them and about 1 s to start.
        """
        return 60_000_000

    def __getstate__(self) -> dict[str, Any]:
        """Only the settings travel: what was built is built again where it is needed."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]


class PartFunction(ABC):
    """Base of functions that make one thing of a whole part, such as counts; frozen dataclasses.

    They run in this process: parts that wait for others would fill the memory.
    """

    @abstractmethod
    def __call__(self, batches: Iterator[pa.RecordBatch]) -> pa.RecordBatch:
        """Of all batches of a part one, of any rows."""


@dataclass(frozen=True)
class Unchanged(ColumnFunction):
    """Columns as they are: to have them in a file of another format."""

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch."""
        return batch


def map_batches(
    function: ColumnFunction,
    batches: Iterable[pa.RecordBatch],
    processes: int | Literal["auto"] = "auto",
) -> Iterator[pa.RecordBatch]:
    """What ``function`` makes of every batch, in order.

    Args:
        function: Is sent to each process once.
        batches: Are read as they are needed, at most two a process ahead.
        processes: ``auto``: this one for the first ``function.pays_above`` bytes, then one a
            core. 1: this one.

    Raises:
        UserError: A process was killed or cannot start; what the function raises comes as it is.
    """
    batches = iter(batches)
    count = _cores() if processes == "auto" else processes
    # How much is to come nobody knows. A pool started after that many bytes costs at most its start
    # more than none, and at most the time of those bytes more than one from the beginning.
    alone = function.pays_above if processes == "auto" else 0
    while count == 1 or alone > 0:
        batch = next(batches, None)
        if batch is None:
            return
        alone -= batch.nbytes
        yield function(batch)
    yield from in_pool(function, batches, count)


def map_parts(
    function: ColumnFunction | PartFunction,
    parts: Parts,
    reads: Sequence[str],
    schema: pa.Schema | None = None,
    *,
    format: Format = "parquet",
    merge: Callable[[dict[str, Any]], None] | None = None,
    also: Sequence[object] | None = None,
    description: str = "",
    processes: int | Literal["auto"] = "auto",
) -> Parts:
    """What ``function`` makes of every part, which is looked up where it was made before.

    Args:
        function: What it makes of a part must depend on its fields, its code and the columns that
            it reads alone; on a field with the metadata ``{"memo": False}`` through ``also``.
        parts: Any; of each one is made.
        reads: The columns that the function is given.
        schema: Of what it returns; None: nothing but counts.
        format: That of the dataset which will save the table; ``arrow`` too for what is only read
            again in the same stage.
        merge: Gets what was counted in each batch that the function returned, in order.
        also: For each part what else the result depends on.
        description: For the progress bar.
        processes: As for :func:`map_batches`.

    Raises:
        UserError: As :func:`map_batches`.
    """
    import pyarrow as pa

    made_with = memo.identity(function)
    taken = parts.select(reads)
    keys = [
        memo.key_of(format, digests, other)
        for digests, other in zip(taken.digests(), also or [None] * len(taken.parts), strict=True)
    ]
    known = [memo.recall(made_with, key) for key in keys]
    new = [table for table, kept in zip(taken.each(), known, strict=True) if kept is None]

    def made() -> Iterator[Part]:
        with progress_bar(parts.num_rows, description) as bar:
            bar.update(parts.num_rows - sum(table.num_rows for table in new))
            work = _work(function, new, schema, processes, bar)
            for key, kept in zip(keys, known, strict=True):
                kept = kept or memo.keep(made_with, key, *next(work), format)
                if merge:
                    for counts in kept.counts:
                        merge(counts)
                yield from kept.parts.parts

    return collect(made(), schema or pa.schema([]), format)


def with_counts(batch: pa.RecordBatch, counts: dict[str, Any]) -> pa.RecordBatch:
    """The batch with what was counted in it."""
    text = json.dumps(counts, ensure_ascii=True)
    return batch.replace_schema_metadata({_COUNTS: text.encode()})


def _work(
    function: ColumnFunction | PartFunction,
    tables: Sequence[Parts],
    schema: pa.Schema | None,
    processes: int | Literal["auto"],
    bar: tqdm,
) -> Iterator[tuple[Parts, list[dict[str, Any]]]]:
    """For each table, which is one part, what the function makes of it and what it counted."""
    import pyarrow as pa

    def batches(tables: Iterable[Parts]) -> Iterator[pa.RecordBatch]:
        for table in tables:
            for batch in table.batches(max_rows=BATCH_ROWS):
                yield batch
                bar.update(batch.num_rows)

    results = (
        (function(batches([table])) for table in tables)
        if isinstance(function, PartFunction)
        else map_batches(function, batches(tables), processes)
    )
    for table in tables:
        whole = isinstance(function, PartFunction)
        found = list(islice(results, 1 if whole else ceil(table.num_rows / BATCH_ROWS)))
        metadata = [batch.schema.metadata or {} for batch in found]
        counts = [json.loads(each[_COUNTS]) for each in metadata if _COUNTS in each]
        if schema is None:
            yield Parts(pa.schema([]), []), counts
            continue
        empty = pa.RecordBatch.from_pylist([], schema=schema)
        plain = [pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in found]
        yield Parts(schema, [Part.of(pa.concat_batches([empty, *plain]))]), counts


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, _MOST_PROCESSES)
