"""What must hold after every night, whatever happened in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from wenliu import night_facts, nights
from wenliu.errors import UserError
from wenliu.inbox import stamp_of
from wenliu.nights import Night
from wenliu.parts import Parts
from wenliu.simulate.files import Drop
from wenliu.simulate.registry_database import RegistryDatabase
from wenliu.simulate.sandbox import PROBLEM
from wenliu.simulate.truth import Truth
from wenliu.simulate.world import World

#: Accuracy on the hidden rows that a promoted model may lose. The gate allows a margin of one
#: point; two more are its few rows and ours: three standard errors of the difference here.
TOLERANCE = 0.03
#: Complete versions of one artefact: retention keeps the named, the last 7 and one of each of 8
#: weeks; tonight's comes on top.
MOST_VERSIONS = 7 + 8 + 3 + 1


def rows_of_the_night(world: World) -> dict[str, int]:
    """Where tonight's rows went, counted from the intakes of the night and the newest audit."""
    files: list[dict[str, Any]] = []
    for path in sorted(world.sandbox.folders.records.glob("*.json")):
        intake = json.loads(path.read_text("utf-8"))
        if intake["stamp"] >= stamp_of(world.started):
            files += intake["files"]
    files += [_given(drop) for drop in world.given]
    return night_facts.rows_of(files, _newest_report(world, "audit_report"), None)


def check_rows(world: World, counted: Mapping[str, int]) -> None:
    """No row is lost: what came in is kept, put aside or a repeat, as it must be."""
    where = {name: counted[name] for name in ("kept", "quarantined", "duplicates")}
    world.expect(
        counted["rows_in"] == sum(where.values()), f"{counted['rows_in']} rows came in: {where}"
    )
    taken = [drop for drop in world.tonight if drop.outcome == "accepted"]
    kept = sum(len(drop.rows) for drop in (*taken, *world.given))
    repeated = [drop for drop in world.tonight if drop.outcome == "duplicate"]
    again = sum(len(drop.rows) + drop.bad_rows for drop in repeated)
    world.expect(counted["kept"] == kept, f"{counted['kept']} rows are kept, not {kept}")
    world.expect(
        counted["duplicates"] == again, f"{counted['duplicates']} rows are repeats, not {again}"
    )


def check_records(world: World, counted: Mapping[str, int]) -> None:
    """The records of the night tell of every row that came by the inbox, each once.

    A run that was killed may leave that to the one that goes on with its work.
    """
    told = Counter[str]()
    for record in world.records():
        told.update({name: record.rows.get(name, 0) for name in counted})
    given = sum(len(drop.rows) for drop in world.given)
    came = {**counted, "rows_in": counted["rows_in"] - given, "kept": counted["kept"] - given}
    world.expect(dict(told) == came, f"the records of the night tell of {dict(told)}, not {came}")


def check_outcomes_of_files(world: World) -> None:
    """Every file is where it belongs."""
    folders = world.sandbox.folders
    for drop in world.tonight:
        found = {
            "accepted": any(folders.accepted.glob(f"*_{drop.name}")),
            "quarantined": _lies_in_quarantine(world, drop),
            "waiting": (folders.inbox / drop.name).is_file(),
            "duplicate": not (folders.inbox / drop.name).exists(),
        }
        outcome = "quarantined" if drop.name in world.rejected else drop.outcome
        world.expect(found[outcome], f"{drop.name} is not {outcome}")


def check_decision(world: World, record: Night) -> None:
    """Every decision is explained."""
    world.expect(bool(record.reason.strip()), "the night gives no reason")
    if record.outcome not in ("promoted", "refused"):
        return
    decision = record.decision or {}
    world.expect(
        decision.get("decision") == {"promoted": "promote", "refused": "refuse"}[record.outcome],
        f"the night was {record.outcome}, its decision is {decision.get('decision')}",
    )
    page = nights.reports(world.sandbox.root, PROBLEM) / str(decision.get("page"))
    world.expect(page.is_file(), f"the page of the decision is not there: {page}")


def check_drift(world: World, record: Night, expected: tuple[str, ...] | None) -> None:
    """A drift that was made is seen."""
    verdict = (record.drift or {}).get("verdict")
    world.expect(
        expected is None or verdict in expected,
        f"the drift is {verdict}, not {' or '.join(expected or ())}",
    )


def champion_accuracy(world: World, truth: Truth) -> float | None:
    """The champion loads and predicts.

    Returns:
        Its accuracy on the hidden rows; None where there is none.
    """
    champion = world.sandbox.root / "data/07_model_output" / PROBLEM / "champion"
    if not champion.is_symlink():
        return None
    try:
        return truth.accuracy(champion)
    except (UserError, OSError) as error:
        world.expect(False, f"the champion does not load: {error}")
        return None


def check_promotion(world: World, before: float | None, after: float | None) -> None:
    """A model that was promoted is no worse than the one before, on rows that it has never seen."""
    if before is not None and after is not None:
        world.expect(
            after >= before - TOLERANCE,
            f"a worse model was promoted: {after:.1%} after {before:.1%} of the hidden rows",
        )


def check_registry(world: World, champion: int | None) -> None:
    """Aliases name versions that exist, the folder follows, and no run is left open.

    Args:
        world: With its sandbox.
        champion: The version that must serve; None: any.
    """
    database = RegistryDatabase(world.sandbox.root)
    aliases, versions = database.aliases(), database.versions()
    for alias, version in aliases.items():
        world.expect(version in versions, f"{alias} names version {version}, which is gone")
    if champion is not None:
        world.expect(
            aliases.get("champion") == champion,
            f"the champion is version {aliases.get('champion')}, not {champion}",
        )
    world.expect(
        aliases.get("champion") not in world.rolled_back,
        f"version {aliases.get('champion')} serves again, though it was rolled back",
    )
    shown = nights.champion(world.sandbox.root, PROBLEM)
    world.expect(
        shown == aliases.get("champion"),
        f"the folder shows version {shown}, the registry {aliases.get('champion')}",
    )
    running = database.running()
    world.expect(not running, f"{len(running)} MLflow runs say that they go on")


def check_versions(world: World) -> None:
    """Retention works: no artefact has more versions than it keeps."""
    for folder in world.sandbox.root.glob(f"data/0[2-8]_*/{PROBLEM}/*"):
        versions = sum(1 for _ in folder.glob("*/COMPLETE.json"))
        world.expect(versions <= MOST_VERSIONS, f"{folder.name} has {versions} versions")


def check_status(world: World, expected: int) -> int:
    """``wenliu status`` says how it stands."""
    code = world.status()
    world.expect(code == expected, f"wenliu status left with {code}, not {expected}")
    return code


def check_nothing_lost(world: World) -> None:
    """At the end: every row that was ever dropped can be found."""
    kept = _texts(world)
    for drop in world.drops:
        if drop.outcome == "quarantined" or drop.name in world.rejected:
            world.expect(
                _lies_in_quarantine(world, drop), f"{drop.name} is not in quarantine as it came"
            )
        else:
            lost = sum(row.text not in kept for row in drop.rows)
            world.expect(not lost, f"{lost} rows of {drop.name} are lost")


def bytes_on_disk(folder: Path) -> int:
    """Bytes of all files below a folder; a file with several names counts once."""
    seen: dict[tuple[int, int], int] = {}
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            status = path.stat()
            seen[status.st_dev, status.st_ino] = status.st_size
    return sum(seen.values())


def _lies_in_quarantine(world: World, drop: Drop) -> bool:
    """Byte by byte as it was dropped, with a report beside it."""
    return any(
        path.read_bytes() == drop.content and path.with_name(f"{path.name}.report.json").is_file()
        for path in world.sandbox.folders.quarantine.glob(f"*_{drop.name}")
    )


def _given(drop: Drop) -> dict[str, Any]:
    """As an intake would have noted it."""
    rows = len(drop.rows) + drop.bad_rows
    return {"stored": drop.name, "outcome": "accepted", "rows": rows, "bad_rows": drop.bad_rows}


def _texts(world: World) -> set[str]:
    newest = max(_versions(world, "02_intermediate", "examples"))
    return set(Parts.open(newest / "examples", "parquet").column("text").to_pylist())


def _newest_report(world: World, name: str) -> dict[str, Any] | None:
    newest = max(_versions(world, "08_reporting", name), default=None)
    if newest is None:
        return None
    report: dict[str, Any] = json.loads((newest / f"{name}.json").read_text("utf-8"))
    return report


def _versions(world: World, layer: str, name: str) -> Iterable[Path]:
    folder = world.sandbox.root / "data" / layer / PROBLEM / name
    return [marker.parent for marker in folder.glob("*/COMPLETE.json")]
