from __future__ import annotations

import runpy
from pathlib import Path

_HELPER = Path(__file__).parents[0] / "tiny_problem.py"
tiny_problem = runpy.run_path(str(_HELPER))["tiny_problem"]
