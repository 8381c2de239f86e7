"""JSON lines, and JSON as an array of objects, ``{"data": [...]}`` or columns."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from wenliu.errors import UserError
from wenliu.readers.encodings import decoded, find_bad, is_dubious, printable, text_blocks
from wenliu.readers.options import BadRow, ReadOptions, Row
from wenliu.readers.values import as_text, number_text

#: JSON by columns cannot be read in parts.
_COLUMNS_MAX_CHARS = 256 << 20
_BLANKS = " \t\r\n"


class _DuplicateKeyError(ValueError):
    """An object names one key twice: which value is meant?"""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        names = [name for name, _ in pairs]
        raise _DuplicateKeyError(next(name for name in names if names.count(name) > 1))
    return record


# Numbers keep their spelling: 1e5 and 12345678901234567890 are text here.
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=str, parse_float=number_text, parse_constant=str
)


def iter_objects(path: Path, options: ReadOptions) -> Iterator[tuple[int, Any, str]]:
    """Every value with its line and the raw text; a broken JSON line comes as ``ValueError``.

    Raises:
        UserError: A JSON file is malformed, or a JSON Lines file ends within a record.
    """
    yield from _lines(path, options) if options.format == "jsonl" else _elements(path, options)


def iter_jsonl(path: Path, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Rows of a JSON Lines file; a line that is no JSON object is a bad row."""
    return _rows(path, options)


def iter_json(path: Path, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Rows of a JSON file, element by element; only JSON by columns is read whole."""
    return _rows(path, options)


def _rows(path: Path, options: ReadOptions) -> Iterator[Row | BadRow]:
    columns = options.columns or ()
    for line, value, raw in iter_objects(path, options):
        if isinstance(value, Exception):
            yield BadRow(line, None, _reason(value), printable(raw))
            continue
        if not isinstance(value, dict):
            yield BadRow(line, None, "not a JSON object", printable(raw))
            continue
        values = [as_text(value.get(name)) for name in columns]
        # Escapes such as \ud800 make characters that the raw text does not show.
        if ("\\u" in raw or is_dubious(raw)) and (bad := _find_bad(raw, values, columns)):
            yield BadRow(line, *bad, printable(raw))
        else:
            yield Row(line, values)


def _find_bad(
    raw: str, values: list[str | None], columns: tuple[str, ...]
) -> tuple[str, str] | None:
    in_raw = find_bad([raw], [""])
    in_value = find_bad(values, columns, decoded=in_raw is not None)
    if in_value or in_raw is None:
        return in_value
    # In a key, or in a column that the first rows did not have.
    return "", in_raw[1]


def _reason(error: Exception) -> str:
    if isinstance(error, _DuplicateKeyError):
        return f"the key {printable(str(error))!r} stands twice in one object"
    if isinstance(error, json.JSONDecodeError):
        return f"not valid JSON: {error.msg} at character {error.colno}"
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error)


def _lines(path: Path, options: ReadOptions) -> Iterator[tuple[int, Any, str]]:
    line = 0
    # Only LF ends a record: JSON escapes CR within text, and CR before LF is a blank.
    for block in text_blocks(path, options.encoding, options, cut_long_lines=True, newline="\n"):
        for raw in io.StringIO(block, newline="\n"):
            line += 1
            if len(raw) > options.max_row_chars + 1:
                yield line, ValueError(f"longer than {options.max_row_chars:,} characters"), raw
                continue
            if raw.isspace():
                continue
            try:
                yield line, _DECODER.decode(raw), raw
            except (ValueError, RecursionError) as error:
                if not raw.endswith("\n") and isinstance(error, json.JSONDecodeError):
                    raise UserError(
                        "The last line is no complete JSON: the file was not copied whole.",
                        where=f"{path}, line {line}",
                        remedy="copy it again, or remove the line",
                    ) from error
                yield line, error, raw


def _elements(path: Path, options: ReadOptions) -> Iterator[tuple[int, Any, str]]:
    stream = _JsonStream(path, options)
    opened = stream.next_character()
    if opened == "[":
        stream.position += 1
        yield from _array(stream)
    elif opened == "{":
        yield from _object(stream)
    else:
        raise stream.error("The file holds neither a JSON array nor an object.")
    if stream.next_character():
        raise stream.error("Something follows the end of the JSON value.")


def _array(stream: _JsonStream) -> Iterator[tuple[int, Any, str]]:
    if stream.next_character() == "]":
        stream.position += 1
        return
    while True:
        yield stream.value()
        if stream.separator("]") == "]":
            return


def _object(stream: _JsonStream) -> Iterator[tuple[int, Any, str]]:
    """The array under ``data`` element by element; else all members are columns."""
    stream.position += 1
    members: dict[str, Any] = {}
    found = False
    if stream.next_character() == "}":
        raise stream.error("The JSON object is empty.")
    while True:
        line, key, _ = stream.value()
        if not isinstance(key, str):
            raise stream.error("A JSON object wants names in quotes.")
        if stream.next_character() != ":":
            raise stream.error("A colon is missing after a name.")
        stream.position += 1
        if key == "data" and stream.next_character() == "[":
            found, stream.position = True, stream.position + 1
            yield from _array(stream)
        else:
            members[key] = stream.value(_COLUMNS_MAX_CHARS)[1]
        if stream.separator("}") == "}":
            break
    if not found:
        yield from _columns(members, stream, line)


def _columns(
    members: dict[str, Any], stream: _JsonStream, line: int
) -> Iterator[tuple[int, Any, str]]:
    # pandas writes a column as an object from index to value.
    columns = {
        name: list(member.values()) if isinstance(member, dict) else member
        for name, member in members.items()
    }
    lengths = {
        name: len(member) if isinstance(member, list) else -1 for name, member in columns.items()
    }
    if len(set(lengths.values())) != 1 or -1 in lengths.values():
        raise UserError(
            "The JSON object is neither {'data': [...]} nor columns of one length: "
            + ", ".join(f"{k!r} has {v if v >= 0 else 'no'} values" for k, v in lengths.items()),
            where=f"{stream.path}, line {line}",
            remedy="write an array of objects, one for each row",
        )
    for row, values in enumerate(zip(*columns.values(), strict=True), 1):
        record = dict(zip(columns, values, strict=True))
        yield row, record, json.dumps(record, ensure_ascii=False)


class _JsonStream:
    """Decodes one JSON value after another from blocks of text, counting lines."""

    def __init__(self, path: Path, options: ReadOptions) -> None:
        # All of a JSON file may stand in one line: elements are limited, not lines.
        self.path, self._limit = path, options.max_row_chars
        self._pieces = decoded(path, options.encoding, options)
        self._text, self.position, self._line, self._counted = "", 0, 1, 0

    def next_character(self) -> str:
        """The next character that is not blank, still unread; empty at the end."""
        while True:
            while self.position < len(self._text):
                if self._text[self.position] not in _BLANKS:
                    return self._text[self.position]
                self.position += 1
            if not self._more():
                return ""

    def separator(self, closing: str) -> str:
        """Reads a comma or the closing bracket."""
        character = self.next_character()
        if character not in ("," + closing) or not character:
            end = "is not complete" if not character else f"goes on with {character!r}"
            raise self.error(f"The JSON {end} where a comma or {closing} is due.")
        self.position += 1
        return character

    def value(self, limit: int | None = None) -> tuple[int, Any, str]:
        """Line, value and raw text of the next value.

        Raises:
            UserError: The value is malformed, unfinished, longer than a row may be, or an object
                in it names one key twice.
        """
        self.next_character()
        limit = limit or self._limit
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self.position)
                # A number that ends with the piece, as "1." does, may go on.
                if end + 2 < len(self._text) or not self._more():
                    break
            except json.JSONDecodeError as error:
                if len(self._text) - self.position > limit or not self._more():
                    raise self.error(f"The JSON is broken: {error.msg}.", error.pos) from error
            except (_DuplicateKeyError, RecursionError) as error:
                raise self.error(f"The JSON cannot be used: {_reason(error)}.") from error
        if end - self.position > limit:
            raise self.error(f"The record is longer than {limit:,} characters.")
        line, raw = self._line_at(self.position), self._text[self.position : end]
        self.position = end
        return line, value, raw

    def error(self, found: str, position: int | None = None) -> UserError:
        """A structural error at the position, by default the current one."""
        line = self._line_at(self.position if position is None else position)
        return UserError(found, where=f"{self.path}, line {line}", remedy="mend or re-export it")

    def _line_at(self, position: int) -> int:
        if position >= self._counted:
            self._line += self._text.count("\n", self._counted, position)
            self._counted = position
            return self._line
        return self._line - self._text.count("\n", position, self._counted)

    def _more(self) -> bool:
        # At least twice as much each time, so that a long value is not decoded over and over.
        unread = len(self._text) - self.position
        added: list[str] = []
        while sum(map(len, added)) <= unread and (piece := next(self._pieces, "")):
            added.append(piece)
        if added:
            self._line_at(self.position)
            self._text = self._text[self.position :] + "".join(added)
            self.position = self._counted = 0
        return bool(added)
