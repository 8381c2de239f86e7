"""Every night of one Wenliu problem, for Airflow 3.

`wenliu schedule airflow` fills in the words between @; docs/nightly.md. Airflow has an environment
of its own and starts Wenliu's by its path: neither ever imports the other.
"""

import json
import logging
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
    for target, variable in ((post, "WENLIU_ALERT_WEBHOOK"), (pipe, "WENLIU_ALERT_COMMAND")):
        if value := os.environ.get(variable, "").strip():
            try:
                target(value, body)
            except Exception as error:
                # Not the error itself: the address of a webhook is a secret.
                name = type(error).__name__
                logging.getLogger(__name__).warning("%s could not be told: %s.", variable, name)


def post(webhook: str, body: bytes) -> None:
    """Sends a message by POST."""
    request = Request(webhook, body, {"Content-Type": "application/json"})
    urlopen(request, timeout=ALERT_SECONDS).close()


def pipe(command: str, body: bytes) -> None:
    """Gives a message to a program on its standard input."""
    subprocess.run(shlex.split(command), input=body, timeout=ALERT_SECONDS, check=True)


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
