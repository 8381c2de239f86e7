"""How long the commands take before they do anything: here, and in a bare Kedro project.

    python -m benchmarks.startup

``kedro --version`` and ``kedro registry list``, in this project and in one with a single pipeline
of one node: processor seconds (user and system) and the wall clock. And what ``make run`` takes
when nothing has changed since the run before, in a copy of the project.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.harness import ROOT, Comparison
from wenliu.pipeline_registry import register_pipelines

ROUNDS = 15  # a command takes half a second and varies by a tenth of it
COMMANDS = (("--version",), ("registry", "list"))
RUN = ("run", "--runner", "wenliu.runner.FreshRunner")

BARE = {
    "pyproject.toml": """[tool.kedro]
package_name = "bare"
project_name = "bare"
kedro_init_version = "1.7.0"
source_dir = "src"
""",
    "src/bare/__init__.py": "",
    "src/bare/settings.py": "",
    "src/bare/pipeline_registry.py": """from kedro.pipeline import Node, Pipeline


def double(x):
    return 2 * x


def register_pipelines():
    return {"__default__": Pipeline([Node(double, "x", "y")])}
""",
    "conf/base/catalog.yml": "",
    "conf/local/.gitkeep": "",
    "conf/logging.yml": (ROOT / "conf/logging.yml").read_text("utf-8"),
}


def kedro(project: Path, *arguments: str) -> tuple[float, float, str]:
    """Processor seconds, wall-clock seconds and the output of one command."""
    env = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(project / "src")}
    env.pop("MLFLOW_TRACKING_URI", None)
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    result = subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=env,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, wall, result.stdout


def make_bare(folder: Path) -> Path:
    """A Kedro project in which there is nothing but one node."""
    for name, content in BARE.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content, "utf-8")
    return folder


def make_copy(folder: Path) -> Path:
    """This project, with the bundled raw files and nothing that a run has made."""
    for name in ("src", "conf", "data/01_raw/feedback_topics"):
        ignore = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copyfile(ROOT / name, folder / name)
    return folder


def measure_commands(comparison: Comparison, bare: Path, ours: Path) -> None:
    """The commands of both projects in turn."""
    for command in COMMANDS:
        name = f"kedro {' '.join(command)}"
        for project in (bare, ours):
            kedro(project, *command)  # fills the caches of compiled modules
        rounds = [(kedro(bare, *command), kedro(ours, *command)) for _ in range(ROUNDS)]
        medians = {}
        for column, unit in enumerate(("s, processor", "s, wall clock")):
            for place, system in enumerate(("bare", "wenliu")):
                values = [pair[place][column] for pair in rounds]
                medians[system, unit] = comparison.add(f"{system}: {name}", values, unit)
        ratio = medians["bare", "s, processor"] / medians["wenliu", "s, processor"]
        comparison.ratio("bare kedro", name, ratio)
        comparison.notes.append(
            f"{name} takes {1 / ratio:.2f} times the processor seconds of bare Kedro "
            "(to reach: at most 1.2)."
        )


def measure_runs(comparison: Comparison, project: Path) -> None:
    """The first run, and runs after which nothing has changed."""
    comparison.add("wenliu: first run", [kedro(project, *RUN)[1]], "s, wall clock")
    again = [kedro(project, *RUN) for _ in range(5)]
    assert all("all steps" in output for _, _, output in again)
    for column, unit in enumerate(("s, processor", "s, wall clock")):
        values = [run[column] for run in again]
        comparison.add("wenliu: run when nothing has changed", values, unit)
    comparison.notes.append(
        "A run of the bundled problem when nothing has changed is to take under 5 s."
    )


def main() -> None:
    """Writes ``results/startup.json``."""
    comparison = Comparison(
        "startup",
        "kedro commands here and in a bare project; the bundled problem for the runs",
        packages=("kedro", "mlflow", "pydantic"),
    )
    with tempfile.TemporaryDirectory() as folder:
        bare, ours = make_bare(Path(folder) / "bare"), make_copy(Path(folder) / "wenliu")
        listed = kedro(ours, "registry", "list")[2].split()
        missing = [name for name in register_pipelines() if name not in listed]
        comparison.agree("pipelines listed", len(register_pipelines()), len(missing))
        measure_commands(comparison, bare, ours)
        measure_runs(comparison, ours)
    comparison.finish()


if __name__ == "__main__":
    main()
