"""Encodings: found over the whole file, decoded strictly, bad characters pointed out."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from wenliu.errors import UserError
from wenliu.readers.options import ReadOptions
from wenliu.readers.sources import BLOCK_BYTES, GuardedStream, read_head

#: Line by line comparison of two encodings looks at no more than this.
_COMPARED_BYTES = 64 << 20
_BAD = re.compile("[\0\ufffd\ud800-\udfff]")
_ESCAPE = "wenliu_escape"


def _escape_bytes(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    # As surrogateescape, which refuses bytes below 0x80: those occur in UTF-16.
    bad = error.object[error.start : error.end]
    return "".join(chr(0xDC00 + byte) for byte in bad), error.end


codecs.register_error(_ESCAPE, _escape_bytes)


def find_encoding(path: Path, options: ReadOptions) -> tuple[str, str]:
    """The encoding of a text file and how it was found.

    A byte order mark decides; else strict UTF-8 over the whole file, else strict GB18030. GB18030
    accepts much that is not GB18030, so where most lines with non-ASCII characters are valid
    UTF-8, the file is UTF-8 with some bad rows, not GB18030 in disguise.

    Raises:
        UserError: More than half of the lines can be read as neither.
    """
    head = read_head(path, options)
    if options.encoding != "auto":
        return _given_encoding(path, options.encoding, head.startswith(codecs.BOM_UTF8))
    if evident := evident_encoding(path, options):
        return evident
    if head.count(b"\0") * 10 > len(head):
        raise UserError(
            "The file looks like UTF-16 without a byte order mark, or is not text.",
            where=str(path),
            remedy="give ingestion.encoding (utf-16-le or utf-16-be), or save the file as UTF-8",
        )
    lines, beyond_ascii, valid = _compare(path, options)
    mostly_utf8 = 0 < beyond_ascii <= 2 * (valid["utf-8"] - (lines - beyond_ascii))
    if not mostly_utf8 and _decodes(path, "gb18030", options):
        return "gb18030", "not UTF-8; the whole file is valid GB18030"
    best = "utf-8" if mostly_utf8 or valid["utf-8"] >= valid["gb18030"] else "gb18030"
    bad = lines - valid[best]
    if 2 * bad > lines:
        raise UserError(
            f"The encoding could not be found: {lines - valid['utf-8']} of {lines} lines are not "
            f"UTF-8, {lines - valid['gb18030']} are not GB18030.",
            where=str(path),
            remedy="save the file as UTF-8 or give ingestion.encoding (big5, shift_jis, ...)",
        )
    return best, f"{bad} of the first {lines} lines cannot be decoded, fewest among the known"


def evident_encoding(path: Path, options: ReadOptions) -> tuple[str, str] | None:
    """An encoding that leaves no doubt, and how it was found; None where there is none.

    Text in another encoding is not valid UTF-8 by chance, whereas UTF-8 often is valid GB18030.
    """
    head = read_head(path, options)
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig", "starts with the UTF-8 byte order mark"
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16", "starts with a UTF-16 byte order mark"
    if head.count(b"\0") * 10 <= len(head) and _decodes(path, "utf-8", options):
        return "utf-8", "the whole file is valid UTF-8"
    return None


def _given_encoding(path: Path, name: str, marked: bool) -> tuple[str, str]:
    try:
        codec = codecs.lookup(name)
        codec.incrementaldecoder("strict").decode(b"")
        if not isinstance(codec.decode(b"", "strict")[0], str):
            raise LookupError(name)
    except (LookupError, TypeError) as error:
        raise UserError(
            f"There is no text encoding named {name!r}.",
            where=f"ingestion.encoding, for {path.name}",
            remedy="utf-8, utf-8-sig, gb18030, utf-16, big5, ...",
        ) from error
    if marked and codec.name == "utf-8":
        return "utf-8-sig", "given as utf-8; the file starts with a byte order mark"
    return name, "given"


def _decodes(path: Path, encoding: str, options: ReadOptions) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    with GuardedStream(path, options) as stream:
        try:
            while data := stream.read(BLOCK_BYTES):
                decoder.decode(data)
            # An unfinished character at the end is no other encoding but a file cut off;
            # ``text_blocks`` says so.
            return encoding == "utf-8" or not decoder.getstate()[0]
        except UnicodeDecodeError:
            return False


def _compare(path: Path, options: ReadOptions) -> tuple[int, int, dict[str, int]]:
    """Lines, lines beyond ASCII, and how many decode under each encoding."""
    lines = beyond_ascii = seen = 0
    valid = {"utf-8": 0, "gb18030": 0}
    carry = b""
    with GuardedStream(path, options) as stream:
        while seen < _COMPARED_BYTES and (data := stream.read(BLOCK_BYTES)):
            seen += len(data)
            # In both encodings the byte 0x0A is a line feed and nothing else.
            *complete, carry = (carry + data).split(b"\n")
            if len(carry) > 4 * options.max_row_chars:
                complete, carry = [*complete, carry], b""
            for line in complete:
                lines, beyond_ascii = lines + 1, beyond_ascii + (not line.isascii())
                for encoding in valid:
                    valid[encoding] += _is_valid(line, encoding)
    if carry:
        lines, beyond_ascii = lines + 1, beyond_ascii + (not carry.isascii())
        for encoding in valid:
            valid[encoding] += _is_valid(carry, encoding)
    return lines, beyond_ascii, valid


def _is_valid(line: bytes, encoding: str) -> bool:
    try:
        line.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def decoded(path: Path, encoding: str, options: ReadOptions) -> Iterator[str]:
    """The text in pieces that end anywhere; undecodable bytes become U+DC00 + byte.

    Raises:
        UserError: The file ends within a character.
    """
    decoder = codecs.getincrementaldecoder(encoding)(_ESCAPE)
    lines = 1
    with GuardedStream(path, options) as stream:
        while data := stream.read(BLOCK_BYTES):
            # Half a character decodes to nothing yet.
            if text := decoder.decode(data):
                lines += text.count("\n")
                yield text
    if decoder.getstate()[0]:
        raise UserError(
            f"The file ends in the middle of a {encoding} character: it was not copied whole.",
            where=f"{path}, line {lines}",
            remedy="copy it again",
        )


def text_blocks(
    path: Path,
    encoding: str,
    options: ReadOptions,
    *,
    cut_long_lines: bool,
    newline: Literal["", "\n"] = "",
) -> Iterator[str]:
    """The file as blocks of whole lines, decoded as by ``decoded``.

    Args:
        path: A text file, perhaps gzipped.
        encoding: As found or given.
        options: The limits.
        cut_long_lines: Whether a line over ``max_row_chars`` comes back cut to one character more
            than that (the caller rejects it), or stops the reading.
        newline: As in ``io.StringIO``: whether CR alone ends a line too.

    Raises:
        UserError: A line is too long, or the file ends within a character.
    """
    carry, lines, skipping = "", 1, False
    for piece in decoded(path, encoding, options):
        text = carry + piece
        if skipping:
            found = text.find("\n")
            if found < 0:
                carry = ""
                continue
            carry, text, skipping, lines = "", text[found + 1 :], False, lines + 1
        end = _last_line_end(text, newline)
        if end:
            yield text[:end]
            lines += text.count("\n", 0, end)
        carry = text[end:]
        if len(carry) > options.max_row_chars:
            if not cut_long_lines:
                raise too_long(path, lines, options)
            yield carry[: options.max_row_chars + 1] + "\n"
            carry, skipping = "", True
    if carry:
        yield carry


def _last_line_end(text: str, newline: str) -> int:
    end = text.rfind("\n") + 1
    if newline:
        return end
    # Old Mac files end lines with CR alone; a CR at the very end may be half of CR LF.
    return end or text.rfind("\r", 0, max(0, len(text) - 1)) + 1


def too_long(path: Path, line: int, options: ReadOptions) -> UserError:
    """The error about a row over the limit."""
    return UserError(
        f"The row is longer than {options.max_row_chars:,} characters; perhaps a quote is opened "
        "and never closed.",
        where=f"{path}, line {line}",
        remedy="close the quote, give ingestion.quoting: none, or raise ingestion.max_row_chars",
    )


def is_dubious(text: str) -> bool:
    """Whether ``find_bad`` would find something; about 1 GB/s where it would not."""
    if "\0" in text or "\ufffd" in text:
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def find_bad(
    values: Sequence[str | None], columns: Sequence[str], *, decoded: bool = True
) -> tuple[str, str] | None:
    """The first column with a character that cannot be kept, and the reason.

    Args:
        values: One for each column.
        columns: Their names.
        decoded: Whether a low surrogate stands for a byte that ``text_blocks`` could not decode;
            otherwise it was written as one (an escape in JSON, a cell).
    """
    for name, value in zip(columns, values, strict=False):
        if value and (match := _BAD.search(value)):
            return name, f"{_describe(match[0], decoded)} at character {match.start() + 1}"
    return None


def _describe(character: str, decoded: bool) -> str:
    code = ord(character)
    if code == 0:
        return "NUL character"
    if code == 0xFFFD:
        return "replacement character U+FFFD (left by an earlier wrong decoding)"
    if decoded and 0xDC00 <= code <= 0xDCFF:
        return f"undecodable byte 0x{code - 0xDC00:02x}"
    return f"lone surrogate U+{code:04X}"


def printable(text: str, *, decoded: bool = True) -> str:
    """The text as it may be shown and stored: cut to 1,000 characters, bad ones escaped."""

    def escape(match: re.Match[str]) -> str:
        code = ord(match[0])
        if code == 0xFFFD:
            return match[0]
        if code == 0 or (decoded and 0xDC00 <= code <= 0xDCFF):
            return f"\\x{code & 0xFF:02x}"
        return f"\\u{code:04x}"

    return _BAD.sub(escape, text[:1000])
