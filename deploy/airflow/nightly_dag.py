"""Every night of one Wenliu problem, for Airflow 3.

`wenliu schedule airflow` fills in the words between @; docs/nightly.md. Airflow has an environment
of its own and starts Wenliu's by its path: neither ever imports the other.
"""

import json
import os
import shlex
import subprocess
from datetime import UTC, datetime, timedelta
from urllib.request import Request, urlopen

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROBLEM = "@PROBLEM@"
PROJECT = "@PROJECT@"
COMMAND = json.loads("@COMMAND@")
AT = "@TIME@"  # UTC
#: Another run of the problem still has the lock after an hour: it does tonight's work.
BUSY = 75
ALERT_SECONDS = 10


def gave_up(context) -> None:
    """Tells people that the last try failed, also when Wenliu could not be started at all.

    Each try has told by itself what failed; this goes to the same WENLIU_ALERT_WEBHOOK and
    WENLIU_ALERT_COMMAND, set for Airflow's workers.
    """
    task = context["task_instance"]
    text = f"{PROBLEM}: Airflow has given up after {task.try_number} tries of {task.dag_id}."
    body = json.dumps({"event": "wenliu.airflow", "text": text, "problem": PROBLEM}).encode()
    if command := os.environ.get("WENLIU_ALERT_COMMAND"):
        subprocess.run(shlex.split(command), input=body, timeout=ALERT_SECONDS, check=False)
    if webhook := os.environ.get("WENLIU_ALERT_WEBHOOK"):
        request = Request(webhook, body, {"Content-Type": "application/json"})
        urlopen(request, timeout=ALERT_SECONDS).close()


with DAG(
    f"wenliu_nightly_{PROBLEM}",
    schedule=f"{int(AT[3:])} {int(AT[:2])} * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    # One run takes in all that has come since the last: nights that were missed are not repeated.
    catchup=False,
    max_active_runs=1,
    tags=["wenliu"],
):
    BashOperator(
        task_id="night",
        bash_command="exec " + shlex.join([*COMMAND, "--wait", "3600"]),
        cwd=PROJECT,
        append_env=True,
        env={"KEDRO_DISABLE_TELEMETRY": "1"},
        skip_on_exit_code=BUSY,
        do_xcom_push=False,
        # The same command goes on from where the last try stopped.
        retries=2,
        retry_delay=timedelta(minutes=10),
        # SIGTERM first: training writes a checkpoint and leaves.
        execution_timeout=timedelta(hours=20),
        on_failure_callback=gave_up,
    )
