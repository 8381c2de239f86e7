"""Rows of all files, those of files that were read on another night looked up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from wenliu import memo
from wenliu.gathering import collect, gather
from wenliu.params import Split
from wenliu.part import Part
from wenliu.parts import Parts
from wenliu.pipelines.ingestion.judging import good_schema, judge
from wenliu.pipelines.ingestion.labels import LabelReader
from wenliu.pipelines.ingestion.tallies import FileTally
from wenliu.readers import RawFile
from wenliu.schemas import Quarantine

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class FileReader:
    """Reads a file and remembers what it found there.

    Attributes:
        names: By which integer labels are looked up.
        split_values: Value of the split column to split.
    """

    names: Sequence[str] | None
    split_values: Mapping[str, Split]

    def __call__(
        self, source: str, file: RawFile, split: str | None
    ) -> tuple[FileTally, Parts, Parts]:
        """What was counted, the good rows and the bad ones.

        Args:
            source: What the file is called in ids.
            file: How it is read.
            split: Of the whole file.
        """
        made_with = memo.identity(self)
        options = asdict(file.sniffed.options) | {"columns": file.sniffed.columns}
        key = memo.key_of(source, file.sha256, options, file.roles, file.limit, split)
        quarantined = Parts(Quarantine.arrow(), [])
        if good := memo.recall(made_with, key):
            tally = FileTally.of(source, file, good.counts)
            bad = memo.recall(made_with, _bad(key)) if tally.bad else memo.Kept(quarantined, None)
            if bad:
                return tally, good.parts, bad.parts
        tally = FileTally(source, file)
        bad_batches: list[pa.RecordBatch] = []
        rows = gather(self._good(tally, split, bad_batches), good_schema())
        if bad_batches:
            found = gather(bad_batches, Quarantine.arrow())
            quarantined = memo.keep(made_with, _bad(key), found).parts
        # The good ones last: where they are, the bad ones are.
        return tally, memo.keep(made_with, key, rows, tally.counts()).parts, quarantined

    def _good(
        self, tally: FileTally, split: str | None, bad_batches: list[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        """Good rows; the bad ones, a hundred thousand at most, are put into a list."""
        for good, bad in judge(tally, LabelReader(self.names), split, self.split_values):
            if bad.num_rows:
                bad_batches.append(bad)
            yield good


def read_files(
    reader: FileReader,
    sources: Sequence[str],
    files: Sequence[RawFile],
    splits: Mapping[str, str],
) -> tuple[list[FileTally], Parts, Parts]:
    """Tallies, good rows and bad rows of all files; no part holds rows of two files.

    Args:
        reader: Of single files.
        sources: What the files are called in ids.
        files: How they are read.
        splits: File name to split, of the files that have one.
    """
    tallies: list[FileTally] = []
    bad: list[Parts] = []

    def good_parts() -> Iterator[Part]:
        for source, file in zip(sources, files, strict=True):
            tally, good, wrong = reader(source, file, splits.get(file.sniffed.path.name))
            tallies.append(tally)
            bad.append(wrong)
            yield from good.parts

    good = collect(good_parts(), good_schema())
    return tallies, good, Parts.joined(bad, Quarantine.arrow())


def _bad(key: str) -> str:
    return f"{key}-bad"
