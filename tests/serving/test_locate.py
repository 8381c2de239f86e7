"""Which bundle is meant: the champion, the newest verified one, or the one asked for."""

from __future__ import annotations

import json

import pytest

from wenliu.errors import UserError
from wenliu.serving.locate import locate_bundle

PROBLEM = "feedback_topics"
V1, V2, V3, V4 = (f"2026-11-0{day}T00.00.00.000Z" for day in range(1, 5))


@pytest.fixture
def project(tmp_path):
    """V1 and V2 verified, V3 complete but not verified, V4 cut off."""
    for version in (V1, V2, V3, V4):
        add_bundle(tmp_path, version, complete=version != V4)
    for version in (V1, V2):
        add_report(tmp_path, version, {"bundle": version})
    return tmp_path


def add_bundle(project, version, complete=True):
    folder = project / "data/07_model_output" / PROBLEM / "bundle" / version
    (folder / "bundle").mkdir(parents=True)
    (folder / "bundle" / "manifest.json").write_text("{}")
    if complete:
        (folder / "COMPLETE.json").write_text("{}")


def add_report(project, version, inputs):
    folder = project / "data/08_reporting" / PROBLEM / "export_report" / version
    folder.mkdir(parents=True)
    (folder / "COMPLETE.json").write_text(json.dumps({"inputs": inputs}))


def bundle_of(project, version):
    return project / "data/07_model_output" / PROBLEM / "bundle" / version / "bundle"


def test_the_newest_verified_bundle(project):
    folder, which = locate_bundle(project, PROBLEM)
    assert folder == bundle_of(project, V2)
    assert V2 in which


def test_a_report_vouches_for_the_bundle_it_was_made_from(project):
    add_report(project, V4, {"bundle": V3})
    assert locate_bundle(project, PROBLEM)[0] == bundle_of(project, V3)


def test_a_bundle_that_a_later_run_reused_is_the_newest(project):
    """From A to B and back to A serves A."""
    reused = bundle_of(project, V1).parent / "REUSED.json"
    reused.write_text(json.dumps({"used": V4, "inputs": {}}))
    assert locate_bundle(project, PROBLEM)[0] == bundle_of(project, V1)


def test_a_report_that_was_reused_vouches_for_the_bundle_of_the_same_content_too(project):
    reports = project / "data/08_reporting" / PROBLEM / "export_report"
    (reports / V1 / "REUSED.json").write_text(json.dumps({"used": V3, "inputs": {"bundle": V3}}))
    assert locate_bundle(project, PROBLEM)[0] == bundle_of(project, V3)


def test_the_champion_comes_first(project):
    champion = project / "data/07_model_output" / PROBLEM / "champion"
    champion.mkdir()
    (champion / "manifest.json").write_text("{}")
    folder, which = locate_bundle(project, PROBLEM)
    assert folder == champion
    assert "champion" in which


def test_a_link_is_followed_so_that_a_promotion_changes_nothing_for_who_has_it(project):
    home = project / "data/07_model_output" / PROBLEM
    (home / "champions/3").mkdir(parents=True)
    (home / "champions/3/manifest.json").write_text("{}")
    (home / "champion").symlink_to("champions/3")
    assert locate_bundle(project, PROBLEM)[0] == home / "champions/3"


def test_a_champion_that_is_gone_is_replaced_by_the_one_before_and_nothing_else(project):
    """The newest verified bundle may be the one that was refused or rolled back."""
    home = project / "data/07_model_output" / PROBLEM
    (home / "champion").symlink_to("champions/3")
    with pytest.raises(UserError, match="champion of 'feedback_topics' is gone") as error:
        locate_bundle(project, PROBLEM)
    assert "kedro run" in error.value.remedy and "wenliu promote" in error.value.remedy
    assert locate_bundle(project, PROBLEM, V1)[0] == bundle_of(project, V1)
    (home / "previous").symlink_to("champions/2")  # as gone as the other
    with pytest.raises(UserError, match="so is the one before"):
        locate_bundle(project, PROBLEM)
    (home / "champions/2").mkdir(parents=True)
    (home / "champions/2/manifest.json").write_text("{}")
    assert locate_bundle(project, PROBLEM)[0] == home / "champions/2"
    (home / "champion").unlink()  # by somebody's hand
    assert locate_bundle(project, PROBLEM)[0] == home / "champions/2"


def test_a_version_or_a_folder_that_was_asked_for(project):
    assert locate_bundle(project, PROBLEM, V1)[0] == bundle_of(project, V1)
    folder, which = locate_bundle(project, PROBLEM, V3)
    assert folder == bundle_of(project, V3)
    assert "not verified" in which
    by_path = bundle_of(project, V1)
    assert locate_bundle(project, "anything", str(by_path))[0] == by_path
    assert locate_bundle(project, "anything", str(by_path.parent))[0] == by_path


@pytest.mark.parametrize("wanted", [V4, "yesterday", "../../etc"])
def test_what_is_not_there_names_what_is(project, wanted):
    with pytest.raises(UserError, match=V3):
        locate_bundle(project, PROBLEM, wanted)


def test_without_any_bundle_the_command_that_makes_one(tmp_path):
    with pytest.raises(UserError, match="`kedro run --env hotel`"):
        locate_bundle(tmp_path, "hotel_reviews", train="kedro run --env hotel")
    # The problem's name is not its environment's, so without a command none is made up.
    with pytest.raises(UserError, match="the same `kedro run`") as error:
        locate_bundle(tmp_path, "hotel_reviews")
    assert "--env" not in error.value.remedy
