"""Telling people about a night: a webhook and a command, never for long and never user text.

``WENLIU_ALERT_WEBHOOK`` is an address that gets the message as JSON by POST; chats that read
``text`` (Slack, Mattermost, Rocket.Chat) show its sentence. ``WENLIU_ALERT_COMMAND`` is a program
with its arguments, started without a shell, that gets the same JSON on its standard input.
``WENLIU_ALERT_ON`` says for which nights: ``always``, ``refusals`` (refused, failed, killed; the
default) or ``failures``.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit

from wenliu.night_facts import without_data
from wenliu.nights import Night

#: Seconds for all messages of one call; a run calls twice at most (deaths at its start, its own
#: end), and must end within 20 s of being done whatever the targets do (docs/nightly.md).
DEADLINE = 8.0
_ON: dict[str, tuple[str, ...]] = {
    "always": ("promoted", "refused", "unchanged", "failed", "killed"),
    "refusals": ("refused", "failed", "killed"),
    "failures": ("failed", "killed"),
}
DEFAULT_ON = "refusals"
_log = logging.getLogger(__name__)


def message(night: Night) -> dict[str, Any]:
    """The one line of a night: what happened and figures, but no text, file name or cell value.

    Names of labels are configuration and may stand in ``reason``.
    """
    night = without_data(night)
    files: dict[str, int] = {}
    for file in night.files:
        files[file["outcome"]] = files.get(file["outcome"], 0) + 1
    return {
        "event": "wenliu.night",
        "text": _sentence(night),
        "problem": night.problem,
        "run_id": night.run_id,
        "started_at": night.started_at,
        "finished_at": night.finished_at,
        "seconds": night.seconds,
        "status": night.status,
        "outcome": night.outcome,
        "reason": night.reason,
        "champion": night.champion,
        "challenger": night.challenger,
        "scores": night.scores,
        "rows": night.rows,
        "files": files,
        "drift": night.drift,
        "error": night.error,
    }


def _sentence(night: Night) -> str:
    """The night in a line for people."""
    serving = f" Version {night.champion} serves." if night.champion else ""
    return f"{night.problem}: {night.outcome or night.status}. {night.reason}{serving}"


def tell(nights: Sequence[Night], deadline: float = DEADLINE) -> None:
    """Sends the messages that are wanted; a target that is down costs a warning, never the run.

    Args:
        nights: Finished ones.
        deadline: Seconds after which this returns whatever the targets do.
    """
    wanted = [json.dumps(message(night), ensure_ascii=False) for night in nights if _wanted(night)]
    webhook = os.environ.get("WENLIU_ALERT_WEBHOOK")
    command = os.environ.get("WENLIU_ALERT_COMMAND", "").strip()
    if not wanted or not (webhook or command):
        return
    end = time.monotonic() + deadline
    # A thread for the webhook: neither a name server that hangs nor a server that sends one byte
    # a second ends by a socket's timeout. Being a daemon, it does not hold up the exit.
    posting = threading.Thread(
        target=_post_all, args=(webhook, wanted, end), name="alert webhook", daemon=True
    )
    if webhook:
        posting.start()
    for body in wanted if command else ():
        _run(command, body, end)
    if webhook:
        posting.join(max(0.0, end - time.monotonic()))
        if posting.is_alive():
            _log.warning("The alert webhook did not answer within %g s.", deadline)


def _wanted(night: Night) -> bool:
    on = os.environ.get("WENLIU_ALERT_ON", DEFAULT_ON)
    if on not in _ON:
        _log.warning("WENLIU_ALERT_ON is none of %s: taken as %s.", ", ".join(_ON), DEFAULT_ON)
        on = DEFAULT_ON
    return night.outcome in _ON[on]


def _post_all(url: str, bodies: Sequence[str], end: float) -> None:
    for body in bodies:
        # The address of a webhook is a secret: what goes wrong is told without it.
        try:
            _post(url, body, max(0.1, end - time.monotonic()))
        except HTTPError as error:
            _log.warning("The alert webhook answered %d.", error.code)
        except Exception as error:
            _log.warning("The alert webhook could not be reached: %s.", type(error).__name__)


def _post(url: str, body: str, timeout: float) -> None:
    from urllib.request import Request, urlopen

    if urlsplit(url).scheme not in ("http", "https"):
        raise ValueError("only http and https")
    request = Request(
        url, body.encode("utf-8"), {"Content-Type": "application/json; charset=utf-8"}
    )
    with urlopen(request, timeout=timeout):
        pass


def _run(command: str, body: str, end: float) -> None:
    try:
        # In a session of its own, so that what it starts can be ended with it; its output must
        # not reach our standard output.
        process = subprocess.Popen(
            shlex.split(command),
            stdin=subprocess.PIPE,
            stdout=sys.__stderr__ or subprocess.DEVNULL,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        _log.warning("The alert command could not be started: %s", error)
        return
    try:
        process.communicate(body.encode("utf-8"), timeout=max(0.1, end - time.monotonic()))
    except subprocess.TimeoutExpired:
        _log.warning("The alert command took too long and was ended.")
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    else:
        if process.returncode:
            _log.warning("The alert command left with code %d.", process.returncode)
