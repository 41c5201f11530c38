"""How a connection comes into a session, the same for live and for replay."""

from collections.abc import Sequence

from collectors.session.memory import Memory
from collectors.session.outcome import Outcome
from collectors.session.session import Session
from collectors.venue import Feed, Stream
from schemas.instruments import Instrument


def open_line(
    before: Session | None,
    feed: Feed,
    streams: Sequence[Stream],
    group: str,
    line: int,
    now_us: int,
    *,
    instruments: Sequence[Instrument],
    memory: Memory,
    shared: object,
    linger_us: int,
) -> tuple[Session, list[Outcome]]:
    """Take a connection that was opened into its group's session, or begin a new one with it.

    Returns the session, and what the one before it still had to say.
    """
    if before is not None and not before.is_down:
        before.attach(line, now_us)
        return before, []
    outs = [before.on_tick(now_us)] if before is not None else []
    session = Session(
        feed,
        streams,
        f"{group}@{now_us}",
        now_us,
        instruments=instruments,
        memory=memory,
        shared=shared,
        linger_us=linger_us,
        line=line,
    )
    return session, outs
