"""What an MLflow run says of where it came from: process, user, commit."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

from wenliu.processes import Process
from wenliu.registry_log import user


def run_tags(run_params: dict[str, Any], pipelines: str, project: Path) -> dict[str, str]:
    """Tags of a run that is about to start.

    Args:
        run_params: As Kedro's hooks get them.
        pipelines: Their names, joined.
        project: Its root.
    """
    return {
        "kedro.run_id": run_params["run_id"],
        "kedro.env": run_params["env"] or "local",
        "kedro.pipelines": pipelines,
        "kedro.version": run_params["kedro_version"],
        "mlflow.user": user(),
        "mlflow.source.type": "PROJECT",
        "mlflow.source.name": str(project),
        **Process.this().tags(),
        **_git_tags(project),
    }


def _git_tags(project: Path) -> dict[str, str]:
    def git(*arguments: str) -> str | None:
        try:
            result = subprocess.run(
                ["git", "-C", str(project), *arguments],
                capture_output=True,
                text=True,
                timeout=10,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return result.stdout.strip()

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return {}
    dirty = bool(git("status", "--porcelain", "--untracked-files=no"))
    return {"mlflow.source.git.commit": commit, "git.dirty": str(dirty).lower()}
