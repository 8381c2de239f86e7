"""Progress bars with an estimate of the time left, for everything that takes over two seconds."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

#: Work that is over sooner shows no bar at all.
SHOW_AFTER_SECONDS = 1.5


def progress_bar(total: int | None, description: str, unit: str = "row", initial: int = 0) -> tqdm:
    """A bar to be updated by hand (``bar.update(n)``) and closed, or used as a context manager.

    Of the ``total``, ``initial`` were done before: the estimate of the time left knows.
    """
    from tqdm import tqdm

    on_terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        initial=initial,
        desc=f"  {description}",
        unit=f" {unit}",
        unit_scale=total is not None and total > 10_000,
        delay=SHOW_AFTER_SECONDS,
        # A log file gets a line every ten seconds instead of ten a second.
        mininterval=0.2 if on_terminal else 10.0,
        dynamic_ncols=on_terminal,
        leave=True,
    )


def track(
    items: Iterable[T], description: str, total: int | None = None, unit: str = "row"
) -> Iterator[T]:
    """Yields ``items`` while a bar counts them."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with progress_bar(total, description, unit) as bar:
        for item in items:
            yield item
            bar.update()
