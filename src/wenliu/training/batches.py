"""Which rows make a step, and the batch that they make."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wenliu.modeling.packing import Packed
from wenliu.training.settings import FitSettings

#: Batches whose rows are sorted by length together, for a model that pads. Sorting everything would
#: bind each row to the same neighbours in every epoch; windows of 50 batches compute 1 to 5 %
#: padding in vain (windows of 8: 28 % on a thousand rows; random batches: 33 to 250 %).
WINDOW_BATCHES = 50


@dataclass(frozen=True)
class Rows:
    """Token ids: row ``i`` is ``lengths[i]`` of them from ``starts[i]`` on in ``flats[part[i]]``.

    A selection of rows shares ``flats`` with the table it came from (they may be memory-mapped).
    """

    flats: tuple[np.ndarray, ...]
    part: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def bytes(self) -> int:
        """Of these rows alone, as files: 32-bit tokens, 64-bit lengths and labels."""
        return 4 * int(self.lengths.sum()) + 16 * len(self)

    @classmethod
    def from_offsets(cls, flat: np.ndarray, offsets: np.ndarray, labels: np.ndarray) -> Rows:
        """Rows of Arrow's list layout: ``offsets`` has one entry more than there are rows."""
        return cls.from_parts([(flat, offsets)], labels)

    @classmethod
    def from_parts(cls, parts: Sequence[tuple[np.ndarray, np.ndarray]], labels: np.ndarray) -> Rows:
        """Rows of a table in parts, each with flat ids and offsets of its own."""
        rows = [len(offsets) - 1 for _, offsets in parts]
        return cls(
            tuple(flat for flat, _ in parts),
            np.repeat(np.arange(len(parts)), rows),
            np.concatenate([offsets[:-1] for _, offsets in parts]),
            np.concatenate([np.diff(offsets) for _, offsets in parts]),
            labels,
        )

    def take(self, rows: np.ndarray) -> Rows:
        """The selected rows, in the order given; ``rows`` are numbers or a mask."""
        return Rows(
            self.flats, self.part[rows], self.starts[rows], self.lengths[rows], self.labels[rows]
        )


@dataclass(frozen=True)
class TokenDropout:
    """Leaves a random share of the tokens out of a batch; the first of each row stays.

    Word dropout (Iyyer et al. 2015): a model with few training rows must not rest on a single
    character. The tokens left keep their positions, so that what a classifier reads at the first
    token is what it would read with the others masked, for less work. Which tokens are left out
    follows from seed, epoch, row and position alone: however an epoch is cut into batches and dealt
    to processes, it is the same.
    """

    share: float
    seed: int
    epoch: int

    def keeps(self, rows: np.ndarray, positions: np.ndarray) -> np.ndarray:
        """Whether each token stays, of the numbers of their rows and their positions in them."""
        number = (rows.astype(np.uint64) << np.uint64(32)) + positions.astype(np.uint64)
        key = np.random.SeedSequence([self.seed, self.epoch]).generate_state(1, np.uint64)[0]
        chance = (_mixed(number + key) >> np.uint64(11)).astype(np.float64) * 2.0**-53
        kept: np.ndarray = (chance >= self.share) | (positions == 0)
        return kept


def epoch_steps(
    lengths: np.ndarray, settings: FitSettings, epoch: int, grouped: bool
) -> list[np.ndarray]:
    """Row numbers of every step of an epoch: rows of ``accumulation`` batches, sorted by length.

    A batch has exactly ``batch_size`` rows, or as many rows as fit into ``batch_tokens``; the last
    one has the rest. Batches are drawn in true random order; only for a model that pads
    (``grouped``) are rows sorted by length within windows before they are cut into batches.
    Depends on its arguments alone: a resumed run and every process see the same steps.
    """
    generator = np.random.default_rng([settings.seed, epoch])
    order = generator.permutation(len(lengths))
    if grouped:
        per_batch = settings.batch_size
        if settings.batch_by == "tokens":
            per_batch = max(1, int(settings.batch_tokens / lengths.mean()))
        window = per_batch * WINDOW_BATCHES
        for start in range(0, len(order), window):
            part = order[start : start + window]
            order[start : start + window] = part[np.argsort(lengths[part], kind="stable")]
    batches = _cut(order, lengths, settings)
    if grouped:
        batches = [batches[i] for i in generator.permutation(len(batches))]
    steps = [
        np.concatenate(batches[i : i + settings.accumulation])
        for i in range(0, len(batches), settings.accumulation)
    ]
    return [rows[np.argsort(lengths[rows], kind="stable")] for rows in steps]


def deal(rows: np.ndarray, parts: int) -> list[np.ndarray]:
    """Rows sorted by length, dealt out: parts of like many rows and tokens; none is empty."""
    return [rows[i::parts] for i in range(min(parts, len(rows)))]


def slices(rows: np.ndarray, parts: int) -> list[np.ndarray]:
    """Rows sorted by length, cut: parts of like many rows and of like length; none is empty."""
    return np.array_split(rows, min(parts, len(rows)))


def budget_batches(lengths: np.ndarray, batch_tokens: int) -> list[np.ndarray]:
    """Row numbers sorted by length, in batches of at most ``batch_tokens`` padded tokens.

    For prediction, where neighbours do not matter. A row longer than the budget is alone.
    """
    order = np.argsort(lengths, kind="stable")
    batches, start = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or (end + 1 - start) * int(lengths[order[end]]) > batch_tokens:
            batches.append(order[start:end])
            start = end
    return batches


def pack(rows: Rows, selected: np.ndarray, dropout: TokenDropout | None = None) -> Packed:
    """The selected rows as one batch, in the order given."""
    lengths = rows.lengths[selected]
    token_ids = np.concatenate(
        [
            rows.flats[part][start : start + length]
            for part, start, length in zip(
                rows.part[selected], rows.starts[selected], lengths, strict=True
            )
        ]
    )
    ends = np.cumsum(lengths)
    positions = np.arange(len(token_ids)) - np.repeat(ends - lengths, lengths)
    if dropout is not None:
        kept = dropout.keeps(np.repeat(selected, lengths), positions)
        token_ids, positions = token_ids[kept], positions[kept]
        lengths = np.add.reduceat(kept, ends - lengths)
    return Packed.of(token_ids, positions, lengths, rows.labels[selected])


def padding_waste(lengths: np.ndarray, batches: Sequence[np.ndarray]) -> float:
    """Padded tokens for each real token that the batches compute in vain: 0.05 is 5 %."""
    real = int(lengths.sum())
    computed = sum(int(lengths[batch].max()) * len(batch) for batch in batches)
    return computed / real - 1.0 if real else 0.0


def _cut(order: np.ndarray, lengths: np.ndarray, settings: FitSettings) -> list[np.ndarray]:
    if settings.batch_by == "rows":
        return [
            order[i : i + settings.batch_size] for i in range(0, len(order), settings.batch_size)
        ]
    ends = np.cumsum(lengths[order])
    batches, start, before = [], 0, 0
    while start < len(order):
        # A row longer than the budget is alone.
        end = max(start + 1, int(np.searchsorted(ends, before + settings.batch_tokens, "right")))
        batches.append(order[start:end])
        start, before = end, int(ends[end - 1])
    return batches


def _mixed(numbers: np.ndarray) -> np.ndarray:
    """SplitMix64's output function (Steele et al. 2014): every bit depends on every bit."""
    numbers = numbers * np.uint64(0x9E3779B97F4A7C15)
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = numbers ^ (numbers >> np.uint64(31))
    return mixed
