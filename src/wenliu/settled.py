"""Which accepted files are settled: a night has passed with them, or somebody has accepted them.

All others are new, however many files have come since: what stopped one night stops the next one
too, until somebody rejects the file or accepts it (``docs/decisions/014-inbox.md``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from wenliu import clock
from wenliu.disk import write_atomically
from wenliu.inbox import Folders, parse_stored, stored_files

T = TypeVar("T")
#: What :func:`read_settled` returns of a problem of which nothing is settled.
NOTHING_SETTLED: dict[str, Any] = {"until": "", "files": [], "labels": []}


def read_settled(folders: Folders) -> dict[str, Any]:
    """What the nodes must know about the past, as JSON can hold it.

    It is what it was on the night that the newest file came: a night without new files finds
    nothing changed, although the night before it has settled everything.

    Returns:
        ``until``, the stamp up to which all files are settled (empty: none is); ``files``, later
        ones that somebody accepted; ``labels``, those that were added and have had rows.
    """
    noted = list(_noted(folders))
    newest = max(_stamps(folders), default="")
    passed = (each["until"] for each in noted if "until" in each)
    return {
        "until": max((stamp for stamp in passed if stamp < newest), default=""),
        "files": sorted({each["file"] for each in noted if "file" in each}),
        "labels": sorted({label for each in noted for label in each.get("labels", ())}),
    }


def pending_sources(sources: Iterable[str], settled: Mapping[str, Any]) -> list[set[str]]:
    """The new files among ``sources``: each intake alone, and with all before it; all of them last.

    Good rows of other nights cannot hide bad ones: whoever judges every set finds what the nights
    before have found, and what the newest files would be found alone.

    Args:
        sources: Names of files; those that came by no inbox are never new.
        settled: As :func:`read_settled` returns it.
    """
    stamps = {
        name: found[0]
        for name in set(sources)
        if (found := parse_stored(name))
        and found[0] > settled["until"]
        and name not in settled["files"]
    }
    sets: list[set[str]] = []
    for last in sorted(set(stamps.values())):
        alone = {name for name, stamp in stamps.items() if stamp == last}
        sets += [alone, alone | sets[-1]] if sets else [alone]
    return sets


def worst(judged: Sequence[T], verdict: Callable[[T], str]) -> T:
    """Of what was found of each set of pending files the one to tell of.

    It is the first failure, which names the fewest files, else the newest of the worst.
    """
    severity = ("none", "ok", "warn", "fail")
    failed = [each for each in judged if verdict(each) == "fail"]
    return (failed or [max(reversed(judged), key=lambda each: severity.index(verdict(each)))])[0]


def settle_all(folders: Folders, labels: Sequence[str]) -> None:
    """Notes that a night has passed with all files; to be called under the problem's lock.

    Args:
        folders: Of the problem.
        labels: Those that were added and have rows.
    """
    newest = max(_stamps(folders), default="")
    noted = list(_noted(folders))
    known = {label for each in noted for label in each.get("labels", ())}
    if any(each.get("until") == newest for each in noted) and set(labels) <= known:
        return
    _note(folders, {"until": newest, "labels": list(labels)})


def settle_file(folders: Folders, name: str, reason: str) -> None:
    """Notes that somebody has accepted a file as it is; to be called under the problem's lock."""
    _note(folders, {"file": name, "reason": reason})


def _stamps(folders: Folders) -> Iterator[str]:
    for path in stored_files(folders.accepted):
        if stored := parse_stored(path.name):
            yield stored[0]


def _noted(folders: Folders) -> Iterator[dict[str, Any]]:
    if folders.settled.is_file():
        yield from map(json.loads, folders.settled.read_text("utf-8").splitlines())


def _note(folders: Folders, entry: dict[str, Any]) -> None:
    entries = [*_noted(folders), {"at": clock.now().isoformat(timespec="seconds"), **entry}]
    lines = [json.dumps(each, ensure_ascii=False) + "\n" for each in entries]
    folders.settled.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(folders.settled, "".join(lines))
