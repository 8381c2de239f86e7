"""Commands start fast because nothing heavy is imported before a node needs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "torch", "transformers", "mlflow", "sklearn", "matplotlib", "pandas", "pyarrow", "numpy",
    "scipy", "tokenizers", "onnxruntime", "sqlalchemy", "wenliu.params", "wenliu.schemas",
    "wenliu.run_command", "wenliu.runner", "wenliu.hooks.reuse",
)  # fmt: skip

COMMAND = """
import sys
sys.argv = {argv!r}
try:
    {call}
except SystemExit as leave:
    assert not leave.code, leave.code
print("LOADED", [name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
"""


def loaded(call, *argv):
    result = subprocess.run(
        [sys.executable, "-c", COMMAND.format(argv=list(argv), call=call, heavy=HEAVY)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "KEDRO_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return result.stderr.rsplit("LOADED", 1)[1].strip()


KEDRO = "from kedro.framework.cli.cli import main; main()"


@pytest.mark.parametrize("argv", [("--version",), ("registry", "list"), ("catalog", "--help")])
def test_no_kedro_command_imports_anything_heavy(argv):
    assert loaded(KEDRO, "kedro", *argv) == "[]"


def test_the_help_of_run_imports_the_command_and_nothing_else():
    assert loaded(KEDRO, "kedro", "run", "--help") == "['wenliu.run_command']"


@pytest.mark.parametrize("argv", [("--help",), ("new", "--help"), ("predict", "--help")])
def test_nor_does_our_own_command(argv):
    assert loaded("from wenliu.__main__ import main; main()", "wenliu", *argv) == "[]"


def test_nor_does_what_a_monitor_polls():
    assert loaded("import wenliu.night_status", "wenliu") == "[]"
