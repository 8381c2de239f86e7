"""`wenliu simulate`, as a user runs it: real nights, real processes, real kills."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def simulate(folder, nights):
    command = ["wenliu", "simulate", "--nights", str(nights), "--folder", str(folder)]
    result = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=3600,
    )
    told = json.loads((folder / "simulation.json").read_text("utf-8"))
    broken = {night["night"]: night["broken"] for night in told if night["broken"]}
    assert broken == {}
    assert result.returncode == 0, result.stdout + result.stderr[-3000:]
    return told, result.stdout


def check_told(told, nights):
    assert [night["night"] for night in told] == list(range(1, nights + 1))
    for night in told:
        assert night["rows_in"] == night["kept"] + night["quarantined"] + night["duplicates"]
        assert night["decision"] in night["expected"].split(" or ")
    assert told[0]["decision"] == "promoted"


@pytest.mark.slow
def test_six_nights(tmp_path):
    """Reliability 6, 11, 12, 20, 22, 24: a kill, bad files, a ruined model, old files."""
    told, out = simulate(tmp_path / "nights", 6)
    check_told(told, 6)
    assert [night["event"] for night in told[1:5]] == [
        "killed in finetuning", "bad files", "same files again", "ruined training",
    ]  # fmt: skip
    assert told[3]["duplicates"] == told[3]["rows_in"] > 0
    assert "6 nights in" in out and "everything went as it must" in out
    project = tmp_path / "nights/project"
    assert (project / "data/08_reporting/simulated/history.html").is_file()
    assert not (project / "data/02_intermediate").exists()


@pytest.mark.slow
def test_thirty_nights(tmp_path):
    """Reliability 12: bounded disk, no lost row, no wrong promotion, aliased versions stay."""
    told, _ = simulate(tmp_path / "nights", 30)
    check_told(told, 30)
    decisions = {night["decision"] for night in told}
    assert decisions == {"promoted", "refused", "unchanged", "failed", "off"}
    # The rows grow by less than twice; so may the disk, once retention has begun to delete.
    assert told[-1]["bytes"] < 2.5 * told[14]["bytes"]
