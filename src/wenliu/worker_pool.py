"""Processes that each run one function over the batches they are sent."""

from __future__ import annotations

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from wenliu.errors import UserError

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa

    Function = Callable[[pa.RecordBatch], pa.RecordBatch]


def in_pool(
    function: Function, batches: Iterator[pa.RecordBatch], processes: int
) -> Iterator[pa.RecordBatch]:
    """What ``function`` makes of every batch, in order; two batches a process are on their way.

    Processes are spawned: forking one that runs threads (Arrow, rayon, MLflow) can deadlock.

    Raises:
        UserError: A process was killed or cannot start; what the function raises comes as it is.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    pool = ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _start, (function,))
    running: deque[Future[bytes]] = deque()
    try:
        for batch in batches:
            running.append(pool.submit(_run, to_bytes(batch)))
            if len(running) >= 2 * processes:
                yield from_bytes(running.popleft().result())
        while running:
            yield from_bytes(running.popleft().result())
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
_function: Function


def _start(function: Function) -> None:
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
    return to_bytes(_function(from_bytes(content)))


def to_bytes(batch: pa.RecordBatch) -> bytes:
    """As an Arrow IPC stream: unlike a pickled slice, it holds the rows of the slice only."""
    import pyarrow as pa

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def from_bytes(content: bytes) -> pa.RecordBatch:
    """The batch that :func:`to_bytes` made such a stream of."""
    import pyarrow as pa

    with pa.ipc.open_stream(content) as reader:
        return reader.read_next_batch()
