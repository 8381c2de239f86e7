"""What the terminal shows, and what goes to the log file only."""

from __future__ import annotations

import errno
import logging
import logging.config
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from wenliu.errors import UserError

#: Everything is here, tracebacks included; the terminal gets what a person needs.
LOG_FILE = Path("logs/wenliu.log")
#: Of a message that is not ours.
_LINES = 5


def configure_logging(project: Path) -> Path:
    """Sends all records to the log file and only warnings to the terminal.

    Returns:
        The log file.
    """
    path = project / LOG_FILE
    path.parent.mkdir(exist_ok=True)
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "file": {"format": "%(asctime)s %(levelname)-7s %(name)s: %(message)s"},
                "terminal": {"format": "! %(message)s"},
            },
            "handlers": {
                "file": {
                    "class": "logging.handlers.RotatingFileHandler",
                    "filename": str(path),
                    "maxBytes": 10_000_000,
                    "backupCount": 3,
                    "encoding": "utf-8",
                    "formatter": "file",
                },
                "terminal": {
                    "class": "logging.StreamHandler",
                    "level": "WARNING",
                    "formatter": "terminal",
                },
            },
            "loggers": {
                # Their warnings concern us, not our users; they are in the file.
                name: {"handlers": ["file"], "propagate": False, "level": "INFO"}
                for name in (
                    "kedro",
                    "mlflow",
                    "torch",
                    "alembic",
                    "py.warnings",
                    "transformers",
                    "onnxscript",
                    "onnx_ir",
                    "matplotlib",
                    "fsspec",
                )
            },
            "root": {"handlers": ["file", "terminal"], "level": "INFO"},
        }
    )
    logging.captureWarnings(True)
    return path


@contextmanager
def user_errors(log_file: Path | None = None) -> Iterator[None]:
    """Prints errors that a user can mend in a few lines and leaves with code 1.

    The full traceback goes to the log file. An error that is our own is named as such, also
    without a traceback on the terminal.
    """
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        raise
    except Exception as error:
        logging.getLogger("wenliu").debug("", exc_info=error)
        logged = log_file is not None and _log(log_file, error)
        print(f"\n{explain(error)}", file=sys.stderr)
        if logged:
            print(f"  traceback: {log_file}", file=sys.stderr)
        raise SystemExit(1) from None


@contextmanager
def only_lines_on_stdout() -> Iterator[Callable[[str], None]]:
    """Sends standard output to standard error, and gives a function that writes to the real one.

    By file descriptor: processes that are started meanwhile inherit it.
    """
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield lambda line: _write_line(kept, line)
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _write_line(descriptor: int, line: str) -> None:
    """A reader that has gone away must not fail the run."""
    try:
        with os.fdopen(os.dup(descriptor), "w", encoding="utf-8") as file:
            print(line, file=file)
    except OSError as error:
        logging.getLogger("wenliu").warning("A line of output could not be written: %s", error)


def _log(path: Path, error: Exception) -> bool:
    """Appends the traceback; a project that cannot be written to must not hide the error."""
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            print(f"{datetime.now():%Y-%m-%d %H:%M:%S} {' '.join(sys.argv)}", file=file)
            traceback.print_exception(error, file=file)
    except OSError:
        return False
    return True


#: Errors of a disk on which nothing more fits.
_FULL = (errno.ENOSPC, errno.EDQUOT)


def _full_disk(error: OSError) -> UserError:
    return UserError(
        f"The disk is full ({error.strerror}); what was complete before is untouched.",
        where=str(error.filename or ""),
        remedy="make room, for instance with: wenliu prune; then the same command goes on",
    )


def explain(error: BaseException) -> str:
    """The user's part of an exception: the UserError in its chain, else its last line."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, UserError):
            return f"Error: {found}"
        if isinstance(found, OSError) and found.errno in _FULL:
            return f"Error: {_full_disk(found)}"
        found = found.__cause__ or found.__context__
    # Kedro, YAML and MLflow explain themselves in a few lines, with the place of the mistake.
    lines = [line for line in str(error).strip().splitlines() if line.strip()][:_LINES]
    return "\n".join([f"Error: {lines[0] if lines else type(error).__name__}", *lines[1:]])
