"""AG-UI's own models of events, and its rules about their order (verify.ts of `@ag-ui/client`)."""

from ag_ui.core import Event
from pydantic import TypeAdapter

EVENT = TypeAdapter(Event)

TERMINAL = ("RUN_FINISHED", "RUN_ERROR")

# What begins, goes on and ends, and the member with its id.
PARTS = [
    ("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "message_id"),
    ("TOOL_CALL_START", "TOOL_CALL_ARGS", "TOOL_CALL_END", "tool_call_id"),
    ("REASONING_MESSAGE_START", "REASONING_MESSAGE_CONTENT", "REASONING_MESSAGE_END", "message_id"),
    ("STEP_STARTED", None, "STEP_FINISHED", "step_name"),
]


def validated(plain):
    """An event as its model, which knows it in every member."""
    event = EVENT.validate_python(plain)
    assert unknown_members(event) == []
    return event


def unknown_members(model):
    """The members of a model, and of the models in it, that its schema has not."""
    unknown = list(model.model_extra or {})
    for value in dict(model).values():
        for each in value if isinstance(value, list) else [value]:
            unknown += unknown_members(each) if hasattr(each, "model_extra") else []
    return unknown


def assert_order(events):
    """The events are those of one run: one beginning, one end, and nothing without either."""
    kinds = [event.type.value for event in events]
    assert kinds[0] == "RUN_STARTED" or kinds == ["RUN_ERROR"]
    assert kinds.count("RUN_STARTED") == (kinds[0] == "RUN_STARTED")
    assert [index for index, kind in enumerate(kinds) if kind in TERMINAL] == [len(kinds) - 1]
    for part in PARTS:
        assert_parts(events, *part)


def assert_parts(events, start, content, end, member):
    """All parts of one kind begin before they go on, and end if the run does not fail."""
    opened = set()
    for event in events:
        id_ = getattr(event, member, None)
        if event.type == start:
            assert id_ not in opened, f"{id_} begins twice"
            opened.add(id_)
        elif event.type == end:
            opened.remove(id_)
        elif event.type == content:
            assert id_ in opened, f"{id_} has not begun"
    assert not opened or events[-1].type == "RUN_ERROR", f"{opened} never end"


def assert_no_duplicates(events):
    """No message, thought or call begins again: older clients would have it twice."""
    for start, _, _, member in PARTS[:3]:
        begun = [getattr(event, member) for event in events if event.type == start]
        assert len(set(begun)) == len(begun), begun


def text_of(events):
    return "".join(event.delta for event in events if event.type == "TEXT_MESSAGE_CONTENT")
