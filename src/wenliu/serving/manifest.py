"""The bundle's manifest: what is in the folder, and proof that nothing else is.

``manifest.json`` lists size and sha256 of every file. It is written in one canonical form and
carries a hash of itself, so a changed byte in it shows too. This finds damage and careless
edits; whoever can rewrite the whole folder can rewrite its manifest, so a caller that knows which
bundle it wants compares ``content_sha256``.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from wenliu.disk import sha256_of
from wenliu.errors import UserError

MANIFEST = "manifest.json"
FORMAT = 1
REQUIRED = (
    "model.onnx",
    "tokenizer.json",
    "labels.json",
    "text.json",
    "calibration.json",
    "model_card.md",
)


class BundleError(UserError):
    """The bundle is damaged, incomplete or unsafe, and was not loaded."""

    def __init__(self, found: str, *, where: Path | str | None = None) -> None:
        super().__init__(
            found,
            where=None if where is None else str(where),
            remedy="Use another bundle, or export it again: kedro run --pipelines export",
        )


def build_manifest(
    files: Mapping[str, bytes | Path], *, runtime: Mapping[str, Any], facts: Mapping[str, Any]
) -> bytes:
    """The bytes of ``manifest.json`` for a bundle of these files.

    Args:
        files: File name to content, or to a file that holds it.
        runtime: What the runtime must know besides the files (task, max_length, truncation,
            engines).
            Part of the bundle's identity.
        facts: Versions, metrics, parity and so on. Not part of its identity: the same model
            exported twice is the same bundle.
    """
    listed = {name: _listing(content) for name, content in files.items()}
    manifest = {
        "format": FORMAT,
        **facts,
        "runtime": dict(runtime),
        "files": listed,
        "content_sha256": _content_sha256(listed, runtime),
    }
    return _canonical({**manifest, "manifest_sha256": _sha256(_canonical(manifest))})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The folder's manifest, checked against itself but not yet against the files.

    Raises:
        BundleError: When it is missing, not a plain file, or not as it was written.
    """
    with _open_plain(folder / MANIFEST) as file:
        data = file.read()
    where = folder / MANIFEST
    try:
        manifest = json.loads(data)
        claimed = manifest.pop("manifest_sha256")
        files, runtime = manifest["files"], manifest["runtime"]
        intact = data == _canonical({**manifest, "manifest_sha256": claimed})
        intact &= claimed == _sha256(_canonical(manifest))
        intact &= manifest["content_sha256"] == _content_sha256(files, runtime)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError("The manifest cannot be read.", where=where) from error
    if not intact:
        raise BundleError("The manifest is not as it was written.", where=where)
    if manifest["format"] != FORMAT:
        raise BundleError(
            f"The manifest has format {manifest['format']}; this Wenliu reads {FORMAT}.",
            where=where,
        )
    return manifest


def read_files(
    folder: Path, manifest: Mapping[str, Any], wanted: Collection[str], *, verify: bool = True
) -> dict[str, bytes]:
    """Reads each file once, so that what was checked is what is used.

    Args:
        folder: The bundle.
        manifest: Of that folder.
        wanted: Names of the files whose content is needed. The others are checked as well, and
            not held in memory.
        verify: Compare sizes and sha256. Links, missing and unknown files are refused either way.

    Returns:
        The content of every wanted file.

    Raises:
        BundleError: When anything is not as the manifest says.
    """
    listed: dict[str, dict[str, Any]] = manifest["files"]
    present = {entry.name for entry in os.scandir(folder)} - {MANIFEST}
    for name in (*REQUIRED, *wanted, *listed):
        if name not in present or name not in listed:
            raise BundleError(f"The file {name} is missing.", where=folder)
    if unknown := sorted(present - set(listed)):
        raise BundleError(f"Not in the manifest: {', '.join(unknown)}.", where=folder)
    contents: dict[str, bytes] = {}
    for name in sorted(listed):
        with _open_plain(folder / name) as file:
            if name in wanted:
                contents[name] = file.read()
                found = _listing(contents[name]) if verify else listed[name]
            elif verify:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                found = {"sha256": digest, "size": file.tell()}
            else:
                found = listed[name]
        if found != listed[name]:
            raise BundleError(
                f"The content of {name} is not what the manifest says.", where=folder / name
            )
    return contents


@contextmanager
def _open_plain(path: Path) -> Iterator[BufferedReader]:
    """A file, if it is a plain one that has only this one name."""
    try:
        # O_NOFOLLOW and fstat look at the very file that is read, not at what was there before.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | _NONBLOCK)
    except FileNotFoundError as error:
        raise BundleError(f"There is no {path.name}: this is no bundle.", where=path) from error
    except OSError as error:
        raise BundleError(f"{path.name} cannot be opened, or is a link.", where=path) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or path.is_symlink():
            raise BundleError(f"{path.name} is not a plain file.", where=path)
        if status.st_nlink > 1:
            raise BundleError(
                f"{path.name} is a hard link: it can be changed from elsewhere.", where=path
            )
        yield file


_NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a named pipe must not wait for a writer


def _listing(content: bytes | Path) -> dict[str, Any]:
    if isinstance(content, bytes):
        return {"sha256": _sha256(content), "size": len(content)}
    return {"sha256": sha256_of(content), "size": content.stat().st_size}


def _content_sha256(files: Mapping[str, Any], runtime: Mapping[str, Any]) -> str:
    hashes = {name: listing["sha256"] for name, listing in files.items()}
    return _sha256(_canonical({"files": hashes, "runtime": dict(runtime)}))


def _canonical(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)
    return (text + "\n").encode()


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
