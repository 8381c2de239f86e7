"""What time it is. A simulation of many nights sets another one."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

#: ISO 8601 with offset: the time at which this process is said to have started.
VARIABLE = "WENLIU_CLOCK"
_started = time.monotonic()


def now() -> datetime:
    """The time in UTC."""
    if given := os.environ.get(VARIABLE):
        return datetime.fromisoformat(given).astimezone(UTC) + timedelta(
            seconds=time.monotonic() - _started
        )
    return datetime.now(UTC)
