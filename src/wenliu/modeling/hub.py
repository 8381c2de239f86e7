"""Downloads from a hub or its mirror, with an answer within 30 seconds when there is none.

huggingface_hub alone waits much longer: its calls have no time limit by default, it retries five
times, and it fixes ``HF_ENDPOINT`` when it is imported. So one question with a deadline is asked
first (which files has this revision?), and the endpoint is handed over each time.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from wenliu.errors import UserError

#: What is fetched. Nothing else of a repository is looked at, above all no code and no pickle.
PATTERNS = [
    "config.json",
    "vocab.txt",
    "tokenizer*.json",
    "special_tokens_map.json",
    "*.safetensors",
    "*.safetensors.index.json",
]
#: Seconds for the first answer of the hub, name resolution and all.
ANSWER_SECONDS = 20.0
#: Seconds without a byte after which a connection counts as dead.
SILENCE_SECONDS = 10.0

MIRROR = "https://hf-mirror.com"

_COMMIT = re.compile(r"[0-9a-f]{40}")

T = TypeVar("T")


def download(repository: str, revision: str | None) -> Path:
    """The folder of a checkpoint in the local cache, downloaded if it is not there yet.

    ``HF_ENDPOINT`` names a mirror, ``HF_TOKEN`` opens private repositories, ``HF_HUB_OFFLINE=1``
    looks into the cache alone. Without a network a cached copy is used, with a warning.

    Raises:
        UserError: If the hub cannot be reached and nothing is cached, the repository or the
            revision does not exist, or it has no safetensors weights.
    """
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    endpoint = os.environ.get("HF_ENDPOINT", "").rstrip("/") or constants.ENDPOINT
    where = repository + (f" at revision {revision}" if revision else "")
    is_commit = revision is not None and _COMMIT.fullmatch(revision) is not None
    if constants.is_offline_mode() or is_commit:
        cached = _from_cache(repository, revision)
        if cached is not None:
            return cached
        if constants.is_offline_mode():
            raise _unreachable(where, endpoint, "HF_HUB_OFFLINE is set")
    try:
        info = _within(ANSWER_SECONDS, lambda: _repository_info(repository, revision, endpoint))
    except HFValidationError as error:
        raise UserError(
            f"{repository!r} cannot be a hub id.", where="parameter model.checkpoint"
        ) from error
    except GatedRepoError as error:
        raise UserError(
            "The hub wants you to accept this checkpoint's terms first.",
            where=where,
            remedy="Accept them on its page and set HF_TOKEN, or give a local folder.",
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(
            "The hub has no such revision.", where=where, remedy="Correct model.revision."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"The hub at {endpoint} has no such checkpoint (or it is private).",
            where=where,
            remedy="Correct model.checkpoint; set HF_TOKEN for a private one.",
        ) from error
    except Exception as error:
        cached = _from_cache(repository, revision)
        if cached is None:
            raise _unreachable(where, endpoint, _reason(error)) from error
        logging.getLogger(__name__).warning(
            "%s does not answer; the cached copy of %s is used.", endpoint, where
        )
        return cached
    check_weights({file.rfilename for file in info.siblings or []}, where)
    return _fetch(repository, revision, endpoint, where)


def check_weights(names: set[str], name: str) -> None:
    """Refuses a set of file names without safetensors weights.

    Raises:
        UserError: With the way out, which differs when there is a pickle.
    """
    if any(n.endswith(".safetensors") for n in names):
        return
    if any(n.endswith((".bin", ".pt", ".ckpt", ".h5", ".msgpack")) for n in names):
        raise UserError(
            "The checkpoint has no safetensors weights, only formats that can run code.",
            where=name,
            remedy=(
                "Set model.revision to one with safetensors (the hub's conversion bot often "
                "opens one: refs/pr/1, refs/pr/2, ...), or convert it once with "
                "https://huggingface.co/spaces/safetensors/convert and give the folder."
            ),
        )
    raise UserError("The checkpoint has no weights (*.safetensors).", where=name)


def _repository_info(repository: str, revision: str | None, endpoint: str) -> Any:
    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, library_name="wenliu")
    return api.model_info(repository, revision=revision, timeout=SILENCE_SECONDS)


def _fetch(repository: str, revision: str | None, endpoint: str, where: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repository,
            revision=revision,
            allow_patterns=PATTERNS,
            endpoint=endpoint,
            etag_timeout=SILENCE_SECONDS,
        )
    except Exception as error:
        raise UserError(
            f"The download from {endpoint} broke off: {_reason(error)}",
            where=where,
            remedy=f"Run again (what is here already is kept), or set HF_ENDPOINT={MIRROR}.",
        ) from error
    return Path(folder)


def _from_cache(repository: str, revision: str | None) -> Path | None:
    """The complete cached copy, or ``None``; asks nobody."""
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repository, revision=revision, allow_patterns=PATTERNS, local_files_only=True
        )
    except (OSError, ValueError):  # LocalEntryNotFoundError, IncompleteSnapshotError
        return None
    return Path(folder)


def _within(seconds: float, ask: Callable[[], T]) -> T:
    """The result of ``ask``, or ``TimeoutError`` after some seconds.

    A time limit of the HTTP client covers neither name resolution nor a server that sends a byte
    now and then, so the question runs in a thread that is left behind when time is up.
    """
    outcome: dict[str, Any] = {}

    def run() -> None:
        try:
            outcome["result"] = ask()
        except BaseException as error:
            outcome["error"] = error

    thread = threading.Thread(target=run, daemon=True, name="hub-question")
    thread.start()
    thread.join(seconds)
    if "error" in outcome:
        raise outcome["error"]
    if "result" not in outcome:
        raise TimeoutError(f"no answer in {seconds:.0f} seconds")
    return outcome["result"]


def _unreachable(where: str, endpoint: str, reason: str) -> UserError:
    return UserError(
        f"The checkpoint is not in the local cache, and {endpoint} cannot be reached: {reason}",
        where=where,
        remedy=(
            f"Use a mirror (export HF_ENDPOINT={MIRROR}), give a folder "
            "(--params model.checkpoint=/path/to/bert-base-chinese), or use "
            "model.checkpoint=scratch."
        ),
    )


def _reason(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
