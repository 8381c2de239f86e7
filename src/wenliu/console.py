"""What the terminal shows, and what goes to the log file only."""

from __future__ import annotations

import logging
import logging.config
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from wenliu.errors import UserError

#: Everything is here, tracebacks included; the terminal gets what a person needs.
LOG_FILE = Path("logs/wenliu.log")


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
        if log_file is not None:
            with log_file.open("a", encoding="utf-8") as file:
                traceback.print_exception(error, file=file)
        print(f"\n{explain(error)}", file=sys.stderr)
        if log_file is not None:
            print(f"  traceback: {log_file}", file=sys.stderr)
        raise SystemExit(1) from None


def explain(error: BaseException) -> str:
    """The user's part of an exception: the UserError in its chain, else its last line."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, UserError):
            return f"Error: {found}"
        found = found.__cause__ or found.__context__
    first_line = (str(error).strip().splitlines() or [""])[0]
    return f"Error ({type(error).__name__}): {first_line}"
