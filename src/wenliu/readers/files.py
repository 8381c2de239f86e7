"""Several files at once, only the columns that matter: what ingestion works on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wenliu.errors import UserError
from wenliu.progress import progress_bar
from wenliu.readers.options import ROLES, BadRow, ReadOptions
from wenliu.readers.rows import iter_rows
from wenliu.readers.sniffing import Sniffed, sniff
from wenliu.readers.sources import file_sha256

#: More bad rows than anybody reads, kept in memory: the file is not what it was taken for.
_MAX_KEPT_BAD_ROWS = 100_000


@dataclass
class FileRows:
    """The rows of one file, by column.

    Attributes:
        sniffed: How it was read.
        roles: Role to column, those of the largest file with these columns.
        sha256: Of the file on disk.
        bytes: Of the file on disk.
        lines: Where each row starts.
        values: Role to values, for the roles that have a column; aligned with ``lines``.
        bad: Rows that could not be read.
    """

    sniffed: Sniffed
    roles: dict[str, str | None]
    sha256: str
    bytes: int
    lines: list[int] = field(default_factory=list)
    values: dict[str, list[str | None]] = field(default_factory=dict)
    bad: list[BadRow] = field(default_factory=list)


def read_files(
    paths: Sequence[Path],
    options: ReadOptions,
    columns: Mapping[str, str | int | None] | None = None,
    limit: int | None = None,
) -> list[FileRows]:
    """Reads files one after another; each is sniffed for what the options leave open.

    Files with the same columns share the roles found in the largest of them, so that a small file
    cannot be understood differently from the others.

    Args:
        paths: Regular files; a link may lead out of the folder and is refused.
        options: What is known of them.
        columns: Role to column, by name or by position from 0.
        limit: Rows of all files together: each gives an equal share of its first rows.

    Raises:
        UserError: See ``sniff`` and ``iter_rows``; or a file changed while it was read.
    """
    for path in paths:
        if path.is_symlink():
            raise UserError(
                "A raw file is a link.",
                where=str(path),
                remedy="put the file itself there, or name its real path in catalog.yml",
            )
    before = {path: _state(path) for path in paths}
    # With a limit nobody wants to wait for statistics of everything.
    look = {} if limit is None else {"max_rows": max(2000, limit)}
    sniffed = [sniff(path, options, columns, **look) for path in paths]
    roles: dict[tuple[str, ...], dict[str, str | None]] = {}
    for found in sorted(sniffed, key=lambda each: -each.rows):
        roles.setdefault(found.columns, found.roles)
    results = []
    for index, found in enumerate(sniffed):
        share = None if limit is None else _share(limit, index, len(paths))
        results.append(_read(found, roles[found.columns], share))
        if _state(found.path) != before[found.path]:
            raise UserError(
                "The file changed while it was read.",
                where=str(found.path),
                remedy="wait until it is copied whole, then run again",
            )
    return results


def _share(limit: int, index: int, files: int) -> int:
    return max(1, limit // files + (index < limit % files))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _read(found: Sniffed, roles: dict[str, str | None], limit: int | None) -> FileRows:
    positions = {
        role: found.columns.index(name) for role in ROLES if (name := roles[role]) is not None
    }
    result = FileRows(
        sniffed=found,
        roles=roles,
        sha256=file_sha256(found.path),
        bytes=found.path.stat().st_size,
        values={role: [] for role in positions},
    )
    lines, bad = result.lines, result.bad
    appenders = [(result.values[role].append, position) for role, position in positions.items()]
    total = limit or found.expected_rows
    with progress_bar(total, f"reading {found.path.name}") as bar:
        for row in iter_rows(found.path, found):
            if isinstance(row, BadRow):
                bad.append(row)
                if len(bad) > _MAX_KEPT_BAD_ROWS:
                    raise UserError(
                        f"More than {_MAX_KEPT_BAD_ROWS:,} rows cannot be read; "
                        f"the last: {row.reason}.",
                        where=f"{found.path}, line {row.line}",
                        remedy="check ingestion.format and ingestion.encoding",
                    )
            else:
                lines.append(row.line)
                for append, position in appenders:
                    append(row.values[position])
            count = len(lines) + len(bad)
            if count % 10_000 == 0:
                bar.update(10_000)
            if count == limit:
                break
        bar.update(count % 10_000)
    return result
