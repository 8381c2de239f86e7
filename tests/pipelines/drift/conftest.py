from __future__ import annotations

import runpy
from pathlib import Path

_HELPER = Path(__file__).parents[2] / "serving/tiny_problem.py"
tiny_problem = runpy.run_path(str(_HELPER))["tiny_problem"]
