"""A disk that fails under a whole run, injected by the kernel: no layer of ours is passed by."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
#: What makes something on disk final. ``write`` goes to terminals and sockets, too.
CALLS = {"rename": "ENOSPC", "fsync": "EIO"}
#: Of the many fsyncs (SQLite's among them), one in so many.
EVERY_FSYNC = 6
RUN = ["-m", "kedro", "run", "--pipelines", "ingestion"]


def strace(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["strace", "-f", "--seccomp-bpf", *options, sys.executable, *RUN],
        cwd=project,
        env={
            **os.environ,
            "PYTHONPATH": str(project / "src"),
            "KEDRO_DISABLE_TELEMETRY": "1",
            "WENLIU_MEMO": "on",
        },
        capture_output=True,
        text=True,
        timeout=300,
    )


def content(project: Path) -> str:
    """Hash of the newest examples that a reader would get."""
    from wenliu.datasets import VersionedDataset

    path = project / "data/02_intermediate/feedback_topics/examples"
    return str(VersionedDataset(str(path), "table").marker()["content"])


@pytest.mark.parametrize("call", CALLS)
def test_a_run_on_a_failing_disk_says_so_and_the_next_one_is_as_if_nothing_was(
    project, kedro, tmp_path, call
):
    """Reliability 2: whichever call fails; non-zero exit, the last good version stays."""
    assert kedro(project, *RUN[2:]).returncode == 0
    good = content(project)
    trace = tmp_path / "trace"
    assert strace(project, "-o", str(trace), "-e", f"trace={call}").returncode == 0
    calls = len(re.findall(rf"{call}\(", trace.read_text()))
    assert calls >= 10
    failed = 0
    for k in range(1, calls + 1, EVERY_FSYNC if call == "fsync" else 1):
        inject = f"inject={call}:error={CALLS[call]}:when={k}"
        result = strace(project, "-o", "/dev/null", "-e", f"trace={call}", "-e", inject)
        assert "Traceback" not in result.stderr, (k, result.stderr)
        # What MLflow could not write is a warning: the versions on disk are what counts.
        assert result.returncode in (0, 1), (k, result.stderr)
        if result.returncode:
            failed += 1
            assert re.search("No space left|disk is full|Input/output|disk I/O", result.stderr), k
        assert content(project) == good, k
    assert failed
    assert kedro(project, *RUN[2:]).returncode == 0
    assert content(project) == good
