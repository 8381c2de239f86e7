"""Does a bundle serve? Asked in a process that has never seen it.

    python -m wenliu.serving.self_test data/07_model_output/feedback_topics/champion

What a training process has loaded already may hide what a server would miss, so the gate and every
consumer that changes its model call :func:`self_test`, which starts such a process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from wenliu.errors import UserError

#: Texts that a server meets: plain, traditional, full width, remains of a web page, nothing, long.
_TEXTS = (
    "快递三天了还没到，客服也不回消息",
    "發貨很快，包裝也很結實，謝謝",
    "Ｉｐｈｏｎｅ手机壳太薄了，摔一次就裂👍！！！",
    "<b>充电器</b>用了两天就坏&nbsp;求换货",
    "",
    "质量不错，下次还会再买。" * 200,
)
_TIMED_TEXTS = 256
#: What a manifest says of its model's making.
_FACTS = ("checkpoint", "rows", "training", "versions")
#: Neighbours in a batch may move a probability by rounding only; int8 on request is not tested.
_SAME = 1e-4


def self_test(bundle: Path | str, timeout: float = 120.0) -> dict[str, Any]:
    """Loads a bundle in a fresh process and predicts with it.

    Args:
        bundle: Its folder.
        timeout: Seconds.

    Returns:
        ``passed``, and ``reason`` where it did not; else also ``sha256``, ``labels``, ``engine``,
        ``precision``, ``bytes``, ``facts`` (what the manifest says of its making),
        ``load_seconds`` and ``milliseconds_per_text``. A bundle that cannot be used is an answer
        and never an exception.
    """
    source = str(Path(__file__).resolve().parents[2])
    paths = [source, *filter(None, [os.environ.get("PYTHONPATH")])]
    try:
        process = subprocess.run(
            [sys.executable, "-m", "wenliu.serving.self_test", str(bundle)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return _failed(f"it did not answer within {timeout:g} seconds")
    lines = process.stdout.strip().splitlines()
    try:
        found: dict[str, Any] = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = process.stderr.strip().splitlines()[-1:] or ["nothing"]
        return _failed(f"its process ended with {process.returncode} and said: {said[0][:300]}")
    return found


def examine(folder: Path) -> dict[str, Any]:
    """What :func:`self_test` returns, found in this process.

    Raises:
        UserError: The bundle cannot be loaded, or its answers make no sense.
    """
    from wenliu.serving.bundle import Bundle

    begun = time.perf_counter()
    bundle = Bundle.load(folder)
    together = bundle.predict(_TEXTS)
    loaded = time.perf_counter() - begun
    probabilities = np.stack([prediction.probabilities for prediction in together])
    if not np.isfinite(probabilities).all() or np.abs(probabilities.sum(axis=1) - 1).max() > 1e-6:
        raise UserError("The probabilities are no probabilities.", where=str(folder))
    alone = np.stack([bundle.predict([text])[0].probabilities for text in _TEXTS])
    if (moved := float(np.abs(alone - probabilities).max())) > _SAME:
        raise UserError(
            f"A text alone gets another probability than among others: {moved:.2g} apart.",
            where=str(folder),
        )
    begun = time.perf_counter()
    bundle.predict([_TEXTS[0]] * _TIMED_TEXTS)
    seconds = time.perf_counter() - begun
    return {
        "passed": True,
        "reason": "",
        "sha256": bundle.sha256,
        "labels": bundle.labels,
        "engine": bundle.choice.engine,
        "precision": bundle.choice.precision,
        "bytes": sum(file["size"] for file in bundle.manifest["files"].values()),
        "facts": {
            **{key: bundle.manifest.get(key) for key in _FACTS},
            **{key: bundle.manifest["runtime"][key] for key in ("max_length", "truncation")},
        },
        "load_seconds": round(loaded, 3),
        "milliseconds_per_text": round(1000 * seconds / _TIMED_TEXTS, 3),
    }


def _failed(reason: str) -> dict[str, Any]:
    return {"passed": False, "reason": reason, "sha256": None, "labels": []}


def main(arguments: list[str]) -> int:
    """Prints one JSON line; 0 when the bundle passed."""
    try:
        found = examine(Path(arguments[0]))
    except Exception as error:  # a native library may raise anything; the caller wants an answer
        found = _failed(error.found if isinstance(error, UserError) else repr(error))
    print(json.dumps(found, ensure_ascii=False))
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m wenliu.serving.self_test BUNDLE")
    sys.exit(main(sys.argv[1:]))
