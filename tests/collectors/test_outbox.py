"""The outbox: in order, bounded, sent again until the log has it."""

from collections.abc import Sequence

from collectors.outbox import Outbox
from collectors.session import Drop, Session
from runtime.backoff import Backoff
from runtime.bus.protocol import Outgoing
from runtime.errors import BusError, PayloadError
from tests.collectors.frames import BASE_US, spot_feed, streams, trade_frame


class FlakyLog:
    """Refuses the first sends, then keeps everything."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.kept: list[Outgoing] = []

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        if self.refusals:
            self.refusals -= 1
            raise BusError("away")
        self.kept += records
        return list(range(len(records)))


def outbox(log: FlakyLog, **bounds: int) -> Outbox:
    return Outbox(log, Backoff(0.001, 0.001, lambda: 0.0), **bounds)


def put_trades(box: Outbox, count: int) -> None:
    session = Session(spot_feed(), streams(), "s", BASE_US)
    for number in range(count):
        now_us = BASE_US + number * 30_000
        box.put_batches(session.on_frame(trade_frame(number, now_us), now_us).batches)


async def test_records_refused_by_the_log_are_sent_again_in_order() -> None:
    log = FlakyLog(refusals=3)
    box = outbox(log)
    put_trades(box, 5)
    await box.flush()
    times = [record.timestamp_us for record in log.kept]
    assert len(times) == 5
    assert times == sorted(times)
    assert box.sent == 5


async def test_a_record_the_log_will_never_take_does_not_hold_the_others_up() -> None:
    class Picky(FlakyLog):
        async def send(self, records: Sequence[Outgoing]) -> list[int]:
            if any(len(record.value or b"") > 5_000 for record in records):
                raise PayloadError("too_large", "a record of more than 5,000 bytes")
            return await super().send(records)

    log = Picky(refusals=0)
    box = outbox(log)
    put_trades(box, 2)
    box.put_drops("test", [Drop("oversized", "", b"x" * 60_000, 60_000, BASE_US)])
    put_trades(box, 2)
    await box.flush()
    assert len(log.kept) == 4
    assert box.dropped == 1


async def test_a_full_outbox_gives_up_the_oldest_and_counts_them() -> None:
    log = FlakyLog(refusals=0)
    box = outbox(log, max_records=3)
    put_trades(box, 5)
    await box.flush()
    assert box.dropped == 2
    assert len(log.kept) == 3
    assert log.kept[-1].timestamp_us > log.kept[0].timestamp_us
