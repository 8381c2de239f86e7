"""Units, lines for cron and a DAG from the same settings; the real tools read them."""

import ast
import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from unittest.mock import MagicMock

import pytest

from wenliu import schedule
from wenliu.errors import UserError
from wenliu.schedule import Schedule

ROOT = Path(__file__).parents[2]
ODD = "我的 项目 100% $HOME \"q\" 'a' \\b;c"
needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is not installed"
)


def made(folder, problem="酒店-评论 100%", env="酒店"):
    """A schedule of a project whose folder has every odd character."""
    project = folder / ODD
    shutil.copytree(ROOT / "deploy", project / "deploy")
    return Schedule(project, problem, env, "02:05")


def told(arguments, cwd, **variables):
    return subprocess.run(
        arguments, cwd=cwd, env={**os.environ, **variables}, capture_output=True, text=True
    )


@needs_systemd
@pytest.mark.parametrize("system", [False, True])
def test_systemd_understands_the_units_of_a_folder_with_every_odd_character(tmp_path, system):
    chosen = made(tmp_path)
    assert schedule.verify(schedule.systemd_units(chosen, system=system), system=system)


@needs_systemd
def test_what_systemd_does_not_understand_is_refused(tmp_path):
    units = schedule.systemd_units(made(tmp_path))
    for old, new in (("OnCalendar=*-*-*", "OnCalendar=nightly at"), ("KillMode", "KillMood")):
        broken = {name: content.replace(old, new) for name, content in units.items()}
        with pytest.raises(UserError, match="does not understand"):
            schedule.verify(broken)


def test_each_word_of_the_command_is_one_word_to_systemd(tmp_path, monkeypatch):
    """Quotes keep blanks, and %, $, quotes and backslashes stand for themselves when doubled."""
    monkeypatch.setattr(sys, "executable", r'/ve nv/100%/$HOME/"q"/\b/python')
    service = next(iter(schedule.systemd_units(made(tmp_path)).values()))
    [start] = [line for line in service.splitlines() if line.startswith("ExecStart=")]
    python = r'"/ve nv/100%%/$$HOME/\"q\"/\\b/python"'
    run = "-m kedro run --pipelines nightly --env 酒店"
    assert start == f"ExecStart=/usr/bin/env {python} {run}"


def test_a_machine_that_was_off_catches_up_once(tmp_path):
    """Reliability 13: systemd runs a missed timer once, however many nights were missed."""
    timer = schedule.systemd_units(made(tmp_path))["wenliu-\\xe9\\x85\\x92\\xe5\\xba\\x97-"
        "\\xe8\\xaf\\x84\\xe8\\xae\\xba\\x20100\\x25.timer"]  # fmt: skip
    lines = timer.splitlines()
    assert "Persistent=true" in lines and "OnCalendar=*-*-* 02:05:00 UTC" in lines
    if analyze := shutil.which("systemd-analyze"):
        read = told([analyze, "calendar", "*-*-* 02:05:00 UTC"], tmp_path)
        assert read.returncode == 0 and "Normalized form: *-*-* 02:05:00 UTC" in read.stdout


def test_the_service_is_killed_as_a_whole_and_given_time_for_a_checkpoint(tmp_path):
    """Reliability 6: longer than the 120 s in which a run writes its checkpoint and leaves."""
    service = next(iter(schedule.systemd_units(made(tmp_path)).values()))
    values = dict(line.split("=", 1) for line in service.splitlines() if "=" in line)
    assert values["KillMode"] == "control-group"
    assert int(values["TimeoutStopSec"]) >= 120
    assert values["SuccessExitStatus"] == "75"


def test_units_are_written_and_removed_and_what_is_left_to_type_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    chosen = made(tmp_path, problem="hotel")
    said = schedule.install(chosen)
    folder = tmp_path / "config/systemd/user"
    assert sorted(p.name for p in folder.iterdir()) == [
        "wenliu-hotel.service", "wenliu-hotel.timer",
    ]  # fmt: skip
    assert "enable --now wenliu-hotel.timer" in said and "enable-linger" in said
    schedule.remove(chosen)
    assert not list(folder.iterdir())
    with pytest.raises(UserError, match="No timer"):
        schedule.remove(chosen)


@pytest.mark.parametrize("at", ["2:00", "24:00", "02:60", "02:00:00", "两点", ""])
def test_other_times_are_refused(at):
    with pytest.raises(UserError, match="no time of the day"):
        Schedule(ROOT, "p", None, at)


def test_a_folder_with_a_line_break_is_refused():
    with pytest.raises(UserError, match="control character"):
        Schedule(Path("/tmp/a\nb"), "p", None, "02:00")


def test_the_lines_of_cron_start_the_night_and_catch_up_only_when_it_is_stale(
    tmp_path, monkeypatch
):
    """Reliability 13: after a start of the machine, cron's second line asks `wenliu status`."""
    chosen = made(tmp_path, problem="p", env="p")
    python = tmp_path / "pro gram%"
    # In the place of Python: notes how it was called; `status` exits as the file says.
    python.write_text(
        '#!/bin/sh\nprintf "%s|" "$@" >> called\necho >> called\n'
        'test "$2" != wenliu || exit "$(cat stale)"\n',
        "utf-8",
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    nightly, reboot = (
        line for line in schedule.cron_lines(chosen).splitlines() if not line.startswith("#")
    )
    assert nightly.startswith(("5 2 * * * ", "5 ")) and reboot.startswith("@reboot ")
    commands = [
        line.replace(r"\%", "%").split(" ", n)[n] for line, n in ((nightly, 5), (reboot, 1))
    ]
    called = chosen.project / "called"

    def run(command, stale):
        (chosen.project / "stale").write_text(str(stale))
        called.unlink(missing_ok=True)
        assert told(["/bin/sh", "-c", command], tmp_path).returncode == 0
        return called.read_text().splitlines()

    night, status = "-m|kedro|run|--pipelines|nightly|--env|p|", "-m|wenliu|status|--env|p|"
    assert run(commands[0], 0) == [night]
    assert run(commands[1], 2) == [status, night]
    assert run(commands[1], 0) == [status]


def test_cron_reads_the_settings_of_a_machine_as_systemd_does(tmp_path):
    """One NAME=value a line: blanks, & and $ are part of a value, and nothing is run."""
    chosen = made(tmp_path)
    told_file = tmp_path / "told"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nenv | grep ^WENLIU_ALERT > "{told_file}"\n', "utf-8")
    python.chmod(0o755)
    settings = chosen.project / "conf/local/nightly.env"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        "# WENLIU_ALERT_IN_COMMENT=1\n"
        "\n"
        "WENLIU_ALERT_COMMAND=python3 /opt/x.py https://a.b/?key=1&to=2 '投诉 群'\n"
        "WENLIU_ALERT_WEBHOOK=https://a.b/c?d=e&f=$(touch ran)#g\n"
        "WENLIU_ALERT_QUOTED=\"a 'b' c\"\n"
        "WENLIU_ALERT_SINGLE='a \"b\"'\n"
        "WENLIU_ALERT_BLANK=\n"
        "WENLIU_ALERT WRONG=1\n"
        "touch ran\n"
        "WENLIU_ALERT_ON=always",  # no line break at the end
        "utf-8",
    )
    script = chosen.project / "deploy/cron/night.sh"
    ran = told(["/bin/sh", str(script), "always", str(python)], tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert sorted(told_file.read_text("utf-8").splitlines()) == sorted(
        [
            "WENLIU_ALERT_COMMAND=python3 /opt/x.py https://a.b/?key=1&to=2 '投诉 群'",
            "WENLIU_ALERT_WEBHOOK=https://a.b/c?d=e&f=$(touch ran)#g",
            "WENLIU_ALERT_QUOTED=a 'b' c",
            'WENLIU_ALERT_SINGLE=a "b"',
            "WENLIU_ALERT_BLANK=",
            "WENLIU_ALERT_ON=always",
        ]
    )
    assert not (chosen.project / "ran").exists()


def test_nights_of_the_whole_machine_run_as_whoever_installs_them(tmp_path, monkeypatch):
    """Not as root, who asked for it by sudo; without sudo as the owner of the project."""
    chosen = made(tmp_path)
    for sudo, user in (("zhang", "zhang"), (None, chosen.project.owner())):
        monkeypatch.delenv("SUDO_USER", raising=False)
        if sudo:
            monkeypatch.setenv("SUDO_USER", sudo)
        service = next(iter(schedule.systemd_units(chosen, system=True).values()))
        assert f"User={user}" in service.splitlines()


def test_a_bare_percent_never_stands_in_a_line_of_cron(tmp_path):
    lines = schedule.cron_lines(made(tmp_path)).splitlines()
    assert not [line for line in lines if "%" in line.replace(r"\%", "")]


def test_the_dag_holds_the_settings_whatever_characters_they_have(tmp_path):
    chosen = made(tmp_path)
    tree = ast.parse(schedule.airflow_dag(chosen))
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            values[node.targets[0].id] = node.value.value
        elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            values[node.targets[0].id] = ast.literal_eval(node.value.args[0])
    assert values["PROJECT"] == str(chosen.project)
    assert values["PROBLEM"] == chosen.problem and values["AT"] == "02:05"
    assert json.loads(values["COMMAND"]) == chosen.command


@pytest.mark.parametrize("broken", ["/no/such/program", "sleep 60", "an 'open quote", "false"])
def test_airflow_giving_up_reaches_one_target_when_the_other_is_broken(
    tmp_path, monkeypatch, broken
):
    """And the other way round; nothing is raised, and the webhook's address is not logged."""
    module = dag_module(made(tmp_path), monkeypatch)
    monkeypatch.setattr(module, "ALERT_SECONDS", 1)
    context = {"task_instance": SimpleNamespace(try_number=3, dag_id="nightly")}
    kept = tmp_path / "kept"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/SECRET"
        for command in (broken, shlex.join(["tee", str(kept)])):
            monkeypatch.setenv("WENLIU_ALERT_WEBHOOK", url)
            monkeypatch.setenv("WENLIU_ALERT_COMMAND", command)
            module.gave_up(context)  # the server never answers
            with server.accept()[0] as connection:
                assert connection.recv(100).startswith(b"POST /SECRET")
    assert "given up after 3 tries" in json.loads(kept.read_text("utf-8"))["text"]


def dag_module(chosen, monkeypatch):
    """The DAG as Airflow would import it; a real Airflow reads it in test_airflow.py."""
    for name, what in (("airflow.providers.standard.operators.bash", "BashOperator"),
                       ("airflow.sdk", "DAG")):  # fmt: skip
        fake = ModuleType(name)
        setattr(fake, what, MagicMock())
        monkeypatch.setitem(sys.modules, name, fake)
    module = ModuleType("nightly_dag")
    exec(compile(schedule.airflow_dag(chosen), "nightly_dag.py", "exec"), module.__dict__)
    return module


def test_the_command_prints_for_others(tmp_path):
    command = [sys.executable, "-m", "wenliu", "schedule"]
    at = ["--at", "02:00"]
    units = told([*command, "install", *at, "--print"], ROOT)
    assert units.returncode == 0
    assert "ExecStart=" in units.stdout and "Persistent=true" in units.stdout
    cron = told([*command, "install", *at, "--print", "cron"], ROOT)
    assert shlex.quote(str(ROOT / "deploy/cron/night.sh")) in cron.stdout
    dag = told([*command, "airflow", *at], ROOT)
    assert "max_active_runs=1" in dag.stdout and "catchup=False" in dag.stdout
    wrong = told([*command, "install", "--at", "2"], ROOT)
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
