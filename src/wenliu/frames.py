"""Run-time aliases of heavy types, for annotations of nodes.

Kedro resolves every annotation of a node when it reads the parameters. A name that exists only
under ``TYPE_CHECKING`` would turn typed parameters into plain dicts, and importing pyarrow or
pandas for a name would slow every command. So the names exist at run time and mean ``object``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Table = pa.Table
    Frame = pd.DataFrame
else:
    Table = object
    Frame = object

__all__ = ["Frame", "Table"]
