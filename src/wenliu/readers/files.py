"""Several files at once, only the columns that matter: what ingestion works on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from wenliu.errors import UserError
from wenliu.progress import progress_bar
from wenliu.readers.options import ROLES, BadRow, ReadOptions, Row
from wenliu.readers.rows import iter_rows
from wenliu.readers.sniffing import Sniffed, sniff
from wenliu.readers.sources import file_sha256

#: More bad rows than anybody reads: the file is not what it was taken for.
_MAX_BAD_ROWS = 100_000
#: Few, because each may be a million characters long; many enough to go on by columns.
_BLOCK_ROWS = 1000


@dataclass(frozen=True)
class Block:
    """Some rows of a file that follow each other, by column.

    Attributes:
        lines: Where each row starts.
        values: Role to values, for the roles that have a column; aligned with ``lines``.
        bad: Rows among them that could not be read.
    """

    lines: list[int]
    values: dict[str, list[str | None]]
    bad: list[BadRow]


@dataclass(frozen=True)
class RawFile:
    """A file that is understood and not yet read.

    Attributes:
        sniffed: How it is to be read.
        roles: Role to column, those of the largest file with these columns.
        sha256: Of the file on disk.
        bytes: Of the file on disk.
        limit: Rows to read, bad ones among them; None: all.
        state: Size and time of the file before it was looked at.
    """

    sniffed: Sniffed
    roles: dict[str, str | None]
    sha256: str
    bytes: int
    limit: int | None
    state: tuple[int, int] | None

    def has(self, role: str) -> bool:
        """Whether a column plays the role."""
        return self.roles[role] is not None

    def blocks(self) -> Iterator[Block]:
        """Reads the rows in order, at most a thousand at a time.

        Raises:
            UserError: See ``iter_rows``; or too many rows cannot be read, or the file changed
                since it was looked at.
        """
        found = self.sniffed
        positions = {
            role: found.columns.index(name)
            for role in ROLES
            if (name := self.roles[role]) is not None
        }
        bad_rows = 0
        rows = islice(iter_rows(found.path, found), self.limit)
        total = self.limit or found.expected_rows
        with progress_bar(total, f"reading {found.path.name}") as bar:
            while some := list(islice(rows, _BLOCK_ROWS)):
                good = [row for row in some if isinstance(row, Row)]
                bad = [row for row in some if isinstance(row, BadRow)]
                columns = {
                    role: [row.values[position] for row in good]
                    for role, position in positions.items()
                }
                bad_rows += len(bad)
                if bad_rows > _MAX_BAD_ROWS:
                    raise self._too_many_bad_rows(bad[_MAX_BAD_ROWS - bad_rows])
                yield Block([row.line for row in good], columns, bad)
                bar.update(len(some))
        if _state(found.path) != self.state:
            raise UserError(
                "The file changed while it was read.",
                where=str(found.path),
                remedy="wait until it is copied whole, then run again",
            )

    def _too_many_bad_rows(self, last: BadRow) -> UserError:
        return UserError(
            f"More than {_MAX_BAD_ROWS:,} rows cannot be read; the last: {last.reason}.",
            where=f"{self.sniffed.path}, line {last.line}",
            remedy="check ingestion.format and ingestion.encoding",
        )


def open_files(
    paths: Sequence[Path],
    options: ReadOptions,
    columns: Mapping[str, str | int | None] | None = None,
    limit: int | None = None,
    look: Callable[..., Sniffed] = sniff,
) -> list[RawFile]:
    """Looks at all files; each is sniffed for what the options leave open.

    Files with the same columns share the roles found in the largest of them, so that a small file
    cannot be understood differently from the others.

    Args:
        paths: Regular files; a link may lead out of the folder and is refused.
        options: What is known of them.
        columns: Role to column, by name or by position from 0.
        limit: Rows of all files together: each gives an equal share of its first rows.
        look: What to call in place of ``sniff``, with the same arguments.

    Raises:
        UserError: See ``sniff``; or a file is a link.
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
    rows = {} if limit is None else {"max_rows": max(2000, limit)}
    sniffed = [look(path, options, columns, **rows) for path in paths]
    roles: dict[tuple[str, ...], dict[str, str | None]] = {}
    for found in sorted(sniffed, key=lambda each: -each.rows):
        roles.setdefault(found.columns, found.roles)
    return [
        RawFile(
            sniffed=found,
            roles=roles[found.columns],
            sha256=file_sha256(found.path),
            bytes=found.path.stat().st_size,
            limit=None if limit is None else _share(limit, index, len(paths)),
            state=before[found.path],
        )
        for index, found in enumerate(sniffed)
    ]


def _share(limit: int, index: int, files: int) -> int:
    return max(1, limit // files + (index < limit % files))


def _state(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
