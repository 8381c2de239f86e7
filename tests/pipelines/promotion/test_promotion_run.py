"""The stage in a real project and a real process."""

from __future__ import annotations


def test_a_night_without_frozen_rows_stops_before_it_reads_anything(project, kedro):
    (project / "conf/base/frozen.yml").unlink(missing_ok=True)
    result = kedro(project, "run", "--pipelines", "nightly")
    assert result.returncode != 0
    assert "wenliu freeze" in result.stderr and "Traceback" not in result.stderr
    assert not list((project / "data").glob("02_intermediate/*/*"))
