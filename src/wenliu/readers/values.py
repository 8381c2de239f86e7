"""Values of typed formats as the text that a person would type for them."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any


def number_text(literal: str) -> str:
    """A JSON number as it stands, but ``7.0`` as ``7``: it is the same label."""
    return literal.removesuffix(".0")


def as_text(value: Any) -> str | None:
    """Text of a value: ``7.0`` is ``7``, dates are ISO, nested values are JSON."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime):
        midnight = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return json.dumps(value, ensure_ascii=False, default=as_text)
    if isinstance(value, bytes):
        # As the text readers mark what they cannot decode, so that the row is quarantined.
        return value.decode("utf-8", "surrogateescape")
    return str(value)
