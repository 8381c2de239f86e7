"""One process of a fit: what torchrun starts, on this machine or on each of several.

    torchrun --standalone --nproc-per-node 4 -m wenliu.training JOB_FOLDER

The fit node writes the folder and runs this command itself (``launch.py``); ``docs/multi-node.md``
says what to run on the other nodes.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from contextlib import redirect_stderr
from pathlib import Path

from wenliu.training.launch import write_error


def main() -> None:
    """Runs a job, and leaves why it failed in the job's folder."""
    parser = argparse.ArgumentParser(prog="python -m wenliu.training")
    parser.add_argument("folder", type=Path, help="what wenliu.training.job wrote")
    parser.add_argument("--owned", action="store_true", help="end when the standard input ends")
    arguments = parser.parse_args()
    rank = int(os.environ.get("RANK", "0"))
    if arguments.owned:
        threading.Thread(target=_end_with_owner, daemon=True).start()
    if rank:
        os.environ["TQDM_DISABLE"] = "1"  # one bar for all; read when tqdm is imported
    try:
        from wenliu.training.job import run_job

        # The bar goes to stdout, which launch.py leaves on the terminal: stderr is a log file.
        with redirect_stderr(sys.stdout):
            run_job(arguments.folder)
    except Exception as error:
        write_error(arguments.folder, rank, error)
        raise


def _end_with_owner() -> None:
    """Ends this process when the one that started torchrun is gone, however it ended.

    It holds the other end of the pipe that is our standard input, so even SIGKILL closes it.
    torchrun stays behind only until it sees that its processes ended.
    """
    while os.read(sys.stdin.fileno(), 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    main()
