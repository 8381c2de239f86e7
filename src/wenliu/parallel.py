"""Column functions over batches: in this process, or in several where that pays.

A column function takes an Arrow record batch and returns one: a frozen dataclass that holds its
settings and builds what it needs (a dictionary, a tokenizer) at its first batch in a process. So
the same function runs here, in spawned processes, or on an engine that maps Arrow batches.

What a function counts on the way travels as JSON in the metadata of the batch's schema: whoever
runs it merges that, and no second channel is needed.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from wenliu.errors import UserError
from wenliu.progress import progress_bar

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

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
    yield from _in_pool(function, batches, count)


def with_counts(batch: pa.RecordBatch, counts: dict[str, Any]) -> pa.RecordBatch:
    """The batch with what was counted in it."""
    text = json.dumps(counts, ensure_ascii=True)
    return batch.replace_schema_metadata({_COUNTS: text.encode()})


def merge_counts(
    batches: Iterable[pa.RecordBatch], merge: Callable[[dict[str, Any]], None]
) -> Iterator[pa.RecordBatch]:
    """Passes the batches on and hands what was counted in each, in order, to ``merge``."""
    for batch in batches:
        merge(json.loads(batch.schema.metadata[_COUNTS]))
        yield batch.replace_schema_metadata(None)


def watch(
    batches: Iterable[pa.RecordBatch], description: str, rows: int
) -> Iterator[pa.RecordBatch]:
    """Passes the batches on while a bar counts their rows."""
    with progress_bar(rows, description) as bar:
        for batch in batches:
            yield batch
            bar.update(batch.num_rows)


def _cores() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return min(len(affinity(0)) if affinity else os.cpu_count() or 1, _MOST_PROCESSES)


def _in_pool(
    function: ColumnFunction, batches: Iterator[pa.RecordBatch], processes: int
) -> Iterator[pa.RecordBatch]:
    """Spawned processes: forking one that runs threads (Arrow, rayon, MLflow) can deadlock."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start, (function,))
    running: deque[Future[bytes]] = deque()
    try:
        for batch in batches:
            running.append(pool.submit(_run, _to_bytes(batch)))
            if len(running) >= 2 * processes:
                yield _from_bytes(running.popleft().result())
        while running:
            yield _from_bytes(running.popleft().result())
    except BrokenProcessPool as error:
        # Set where a result cannot be read; one that cannot start prints its error itself.
        cause = str(error.__cause__ or "").strip(" \n'").rpartition("\n")[2]
        raise UserError(
            "A worker process was killed, most often by a machine out of memory, or could not "
            "start" + (f": {cause}" if cause else "."),
            where=type(function).__name__,
            remedy="close other programs and run again, unless an error above says why",
        ) from error
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


#: In a worker process: the function it was started with.
_function: ColumnFunction


def _start(function: ColumnFunction) -> None:
    """Prepares a worker: one thread, deaf to Ctrl-C (the parent ends it), dead with its parent."""
    global _function
    import pyarrow as pa

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("OMP_NUM_THREADS", "RAYON_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    pa.set_cpu_count(1)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _function = function


def _die_with_parent() -> None:
    from multiprocessing import parent_process

    if parent := parent_process():
        parent.join()
        os._exit(1)


def _run(content: bytes) -> bytes:
    return _to_bytes(_function(_from_bytes(content)))


def _to_bytes(batch: pa.RecordBatch) -> bytes:
    """As an Arrow IPC stream: unlike a pickled slice, it holds the rows of the slice only."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _from_bytes(content: bytes) -> pa.RecordBatch:
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        return reader.read_next_batch()
