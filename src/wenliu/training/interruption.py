"""SIGTERM and Ctrl-C while a model trains: the step ends and a checkpoint is written first."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

#: Who sends a signal expects an end within two minutes; a step or an evaluation that takes longer
#: is left where it is, and the last checkpoint stands.
PATIENCE_SECONDS = 100


class Interruption:
    """Notes the first signal, for the loop to look at; a second one leaves at once.

    Used as a context manager; the handlers from before come back at its end. Signals reach the
    main thread alone: in another this does nothing.

    Attributes:
        signal: Number of the signal that came, if one did.
    """

    def __init__(self, announces: bool = True) -> None:
        self.signal: int | None = None
        self.announces = announces
        self._before: dict[int, Callable[..., Any] | int | None] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._note)
            self._before[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._leave)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before:
            signal.alarm(0)
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @property
    def exit_code(self) -> int:
        """What a shell makes of a process that the signal ended."""
        return 128 + (self.signal or signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None:
            self._leave(number, frame)
        self.signal = number
        signal.alarm(PATIENCE_SECONDS)
        if self.announces:
            name = signal.Signals(number).name
            # A handler may have interrupted a print: buffered streams refuse another one then.
            os.write(
                2, f"\n  {name}: this step ends, then a checkpoint. Again: at once.\n".encode()
            )

    def _leave(self, number: int, frame: FrameType | None) -> None:
        raise SystemExit(self.exit_code)
