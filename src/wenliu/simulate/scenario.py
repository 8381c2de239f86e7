"""Which night brings what."""

from __future__ import annotations

from wenliu.simulate import events
from wenliu.simulate.events import Event

FIRST = Event("first rows", events.first_night, ("promoted",), drift=("none",))
ROWS = Event("new rows", events.new_rows)
NOTHING = Event("nothing new", events.nothing_new, ("unchanged",))
AGAIN = Event("same files again", events.same_file_again, ("unchanged",))
BAD = Event("bad files", events.bad_files_among_good)
RUIN = Event("ruined training", events.ruined_training, ("refused",))
DRIFT = Event("drift", events.drifted, ("refused",), drift=("fail",))
ONE_TOPIC = Event("one topic", events.one_topic, ("failed",))
TWO = Event("two runs at once", events.two_at_once)
SCHEMA = Event("other schema", events.other_schema, ("unchanged",))
WRONG = Event("wrong labels", events.wrong_labels, ("refused",))
OFF = Event("machine off", events.machine_off, ("off",), off=True)
CATCH_UP = Event("catch-up", events.new_rows)
ROLLBACK = Event("rollback", events.rolled_back, ("unchanged", "refused", "promoted"))
UNKNOWN = Event("unknown label", events.unknown_label, ("failed",))
ADDED = Event("label added", events.label_added)
SLIP = Event("misspelt label", events.misspelt_label, ("failed",))


def killed(stage: str) -> Event:
    """A night that is killed in a stage."""
    return Event(f"killed in {stage}", events.killed_in(stage))


#: After the first night. The worst comes early, so that a short simulation has seen it.
_NIGHTS = (
    killed("finetuning"), BAD, AGAIN, RUIN, ROWS, NOTHING, DRIFT, TWO, killed("export"), SCHEMA,
    WRONG, ROWS, OFF, OFF, OFF, CATCH_UP, ROWS, ROLLBACK, ROWS, killed("audit"), UNKNOWN, ADDED,
    ROWS, ONE_TOPIC, ROWS, SLIP, ROWS, killed("promotion"), ROLLBACK,
)  # fmt: skip


def scenario(nights: int) -> list[Event]:
    """The events of so many nights; after thirty the same ones come again."""
    later = [_NIGHTS[i % len(_NIGHTS)] for i in range(nights - 1)]
    seen_label = False
    events_of: list[Event] = [FIRST]
    for event in later:
        # A label can be new only once.
        if seen_label and event in (UNKNOWN, ADDED):
            event = ROWS
        seen_label |= event is ADDED
        events_of.append(event)
    return events_of
