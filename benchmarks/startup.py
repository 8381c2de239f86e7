"""How much longer a Kedro command takes here than in a bare Kedro project.

    python benchmarks/startup.py

Interleaves ``kedro --version`` and ``kedro registry list`` in this project and in an empty one with
a single pipeline of one node, and prints medians of the processor seconds and their ratio. The bar
for ``registry list`` is 1.5.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 9

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
    "conf/logging.yml": (ROOT / "conf/logging.yml").read_text(),
}


def seconds(project: Path, *arguments: str) -> float:
    """Processor seconds of one command, user and system."""
    env = {**os.environ, "KEDRO_DISABLE_TELEMETRY": "1", "PYTHONPATH": str(project / "src")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=env,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints the table."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        for name, content in BARE.items():
            (bare / name).parent.mkdir(parents=True, exist_ok=True)
            (bare / name).write_text(content)
        print(f"{'command':<22}{'bare':>8}{'wenliu':>8}{'ratio':>8}")
        for arguments in (("--version",), ("registry", "list")):
            seconds(bare, *arguments), seconds(ROOT, *arguments)  # fill the caches
            pairs = [(seconds(bare, *arguments), seconds(ROOT, *arguments)) for _ in range(ROUNDS)]
            theirs, ours = (statistics.median(column) for column in zip(*pairs, strict=True))
            name = f"kedro {' '.join(arguments)}"
            print(f"{name:<22}{theirs:>7.2f}s{ours:>7.2f}s{ours / theirs:>8.2f}")


if __name__ == "__main__":
    main()
