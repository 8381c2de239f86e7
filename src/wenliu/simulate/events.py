"""What can happen in a night, and what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wenliu.simulate.files import Drop, bad_files, good_file, same_again, without_labels
from wenliu.simulate.registry_database import RegistryDatabase
from wenliu.simulate.world import World

#: Rows of the first night: a quarter of them judge models from then on.
FIRST_ROWS = 2000
#: Rows of any later night.
NIGHT_ROWS = 100
#: A learning rate at which nothing is learned: the model that comes of it says the same of all.
_RUIN = "finetuning.learning_rate=0.0000001"
#: The label that comes later, of which the first nights know nothing.
NEW_LABEL = "售前咨询"
DECIDED = ("promoted", "refused")


@dataclass(frozen=True)
class Event:
    """A kind of night.

    Attributes:
        name: Of the event.
        act: Makes it happen, the run of the night included.
        expected: What may come of it.
        drift: Verdicts of the drift stage that are right; None: any.
        off: No run takes place.
    """

    name: str
    act: Callable[[World], object]
    expected: tuple[str, ...] = DECIDED
    drift: tuple[str, ...] | None = None
    off: bool = False


def first_night(world: World) -> None:
    """The first rows are read by day, the operator freezes what judges, and the night decides."""
    world.give(_new(world, "first", FIRST_ROWS))
    world.operator("kedro", "run", "--pipelines", "ingestion,cleaning,splitting,audit")
    world.operator("wenliu", "freeze")
    world.run()


def new_rows(world: World) -> None:
    """As most nights are; one row of the file has no label."""
    rows = world.writer.rows(NIGHT_ROWS, world.labels)
    world.drop(good_file(_name(world, "rows"), rows, bad_rows=1))
    world.run()


def nothing_new(world: World) -> None:
    """Nobody dropped anything."""
    world.run()


def same_file_again(world: World) -> None:
    """Files that were read before, under other names."""
    accepted = [drop for drop in world.drops if drop.outcome == "accepted"]
    again = [drop for drop in accepted if drop.name not in world.rejected][-2:]
    world.drop(*(same_again(_name(world, f"again_{i}"), drop) for i, drop in enumerate(again)))
    world.run()


def bad_files_among_good(world: World) -> None:
    """Undecodable bytes, an open quote, a header alone, a gzip bomb, a copy that goes on."""
    rows = world.writer.rows(20, world.labels)
    world.drop(_new(world, "good"), *bad_files(rows, _name(world, "bad").removesuffix(".csv")))
    world.run()


def killed_in(stage: str) -> Callable[[World], None]:
    """A run that is killed in a stage; the same command goes on from there."""

    def act(world: World) -> None:
        world.drop(_new(world, "rows"))
        world.run_and_kill(stage)
        status = world.status()
        world.expect(status == 1, f"wenliu status left with {status} after the kill, not 1")
        world.run()
        ends = [record.status for record in world.records()]
        world.expect(ends == ["succeeded", "killed"], f"the records of the night say {ends}")

    return act


def ruined_training(world: World) -> None:
    """Parameters with which nothing is learned."""
    world.drop(_new(world, "rows"))
    world.run(_RUIN)


def wrong_labels(world: World) -> None:
    """A file of many wrong labels; next morning the operator takes it back."""
    rows = world.writer.rows(10 * NIGHT_ROWS, world.labels)
    wrong = world.writer.with_wrong_labels(rows, 0.9, world.labels)
    drop = good_file(_name(world, "wrong"), wrong)
    world.drop(drop)
    world.run()
    world.reject(drop)


def drifted(world: World) -> None:
    """Three topics only, in much longer messages: nothing is promoted until somebody accepts it."""
    rows = world.writer.rows(3 * NIGHT_ROWS, world.labels[:3], clauses=(6, 9))
    drop = good_file(_name(world, "drift"), rows)
    world.drop(drop)
    world.run()
    world.operator("wenliu", "inbox", "accept", drop.name, "--reason", "新渠道")


def one_topic(world: World) -> None:
    """A file of one topic alone stops the run; the operator takes it back."""
    drop = good_file(_name(world, "topic"), world.writer.rows(3 * NIGHT_ROWS, world.labels[:1]))
    world.drop(drop)
    world.run()
    world.reject(drop)


def two_at_once(world: World) -> None:
    """Somebody starts the night a second time while it runs."""
    world.drop(_new(world, "rows"))
    world.run_twice_at_once()


def other_schema(world: World) -> None:
    """A file without labels: the export was changed, and nobody said so."""
    rows = world.writer.rows(NIGHT_ROWS, world.labels)
    world.drop(without_labels(_name(world, "schema"), rows))
    world.run()


def machine_off(world: World) -> None:
    """No run takes place; people go on dropping files, and the monitor notices."""
    world.drop(_new(world, "rows"))


def rolled_back(world: World) -> None:
    """By day the operator goes back to the champion before; the night brings nothing new.

    What was rolled back stays away. A model that was refused only because that one was better may
    take its place: it is judged anew, against another champion.
    """
    aliases = RegistryDatabase(world.sandbox.root).aliases()
    world.expect("previous" in aliases, "there is no champion before to go back to")
    world.restored = aliases.get("previous")
    world.rolled_back.add(aliases["champion"])
    world.operator("wenliu", "rollback", "--reason", "客服说新模型更差")
    world.run()


def unknown_label(world: World) -> None:
    """A label that nobody told of stops the run."""
    known = world.writer.rows(NIGHT_ROWS // 2, world.labels)
    new = world.writer.rows(NIGHT_ROWS // 2, [NEW_LABEL])
    world.drop(good_file(_name(world, "unknown"), [*known, *new]))
    world.run()


def label_added(world: World) -> None:
    """The operator adds the label, and the night goes on with the file that waited."""
    world.operator("wenliu", "labels", "add", NEW_LABEL)
    world.labels.append(NEW_LABEL)
    world.run()


def misspelt_label(world: World) -> None:
    """A label with a slip of the hand stops the run, until the operator takes the file back."""
    rows = world.writer.rows(NIGHT_ROWS, world.labels)
    wrong = [row if i else type(row)(row.text, row.label + "x") for i, row in enumerate(rows)]
    drop = good_file(_name(world, "slip"), wrong)
    world.drop(drop)
    world.run()
    world.reject(drop)


def _new(world: World, name: str, rows: int = NIGHT_ROWS) -> Drop:
    return good_file(_name(world, name), world.writer.rows(rows, world.labels))


def _name(world: World, name: str) -> str:
    return f"{world.number:03d}_{name}.csv"
