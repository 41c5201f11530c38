"""The embedded host and the engine: the order of what is sent, and records that are wrong."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from processors.engine import Engine
from processors.feeds import Accepted
from processors.host import BusHost
from processors.operator import Cause, Output
from processors.operators.footprint import FootprintOperator
from processors.partitions import HostSettings, OperatorError
from runtime.bus.embedded import EmbeddedBus, EmbeddedBusSettings
from runtime.bus.protocol import Outgoing, Rebalance
from schemas.footprints import FootprintBar
from schemas.market import Scope
from schemas.ops import DeadLetter, Snapshot
from schemas.topics import CVD, DEADLETTER, FOOTPRINTS, QUALITY, SNAPSHOTS, TRADES
from schemas.trades import TradeBatch
from tests.processors.builders import (
    BINANCE,
    BUY,
    BYBIT,
    MINUTE,
    NOON,
    PARAMS,
    SECOND,
    Market,
    Runner,
    Stream,
    finals,
    identity,
)

BUS = EmbeddedBusSettings(synchronous="NORMAL")
MARKET = Market(seed=31, instruments=(BINANCE, BYBIT), seconds=130)


async def append(bus: EmbeddedBus, values: Sequence[bytes]) -> None:
    await bus.send([Outgoing(TRADES.name, b"BTC", value, NOON) for value in values])


async def read(bus: EmbeddedBus, topic: str) -> list[bytes]:
    reader = await bus.consumer([topic])
    found = []
    while records := await reader.poll(1000, 0):
        found += [record.value for record in records if record.value is not None]
    return found


async def letters(bus: EmbeddedBus) -> list[DeadLetter]:
    return [msgspec.json.decode(v, type=DeadLetter) for v in await read(bus, DEADLETTER.name)]


def encoded(batches: Sequence[TradeBatch]) -> list[bytes]:
    return [msgspec.json.encode(batch) for batch in batches]


async def test_every_output_is_in_the_log_and_a_second_host_finds_nothing_to_do(
    tmp_path: Path,
) -> None:
    run = Runner().feed(MARKET.batches())
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded(MARKET.batches()))
        host = BusHost(bus, PARAMS)
        await host.drain()
        await host.close()
        bars = await read(bus, FOOTPRINTS.name)
        steps = await read(bus, CVD.name)
        again = BusHost(bus, PARAMS)
        await again.drain()
        await again.close()

        offset = run.engine.offsets[TRADES.name]
        waiting = [msgspec.json.encode(o.record) for o in run.engine.waiting(TRADES.name, 0)]
        assert waiting
        assert len(bars) == len(run.records(FootprintBar)) + len(waiting)
        newest = [msgspec.json.decode(bar, type=FootprintBar) for bar in bars[-len(waiting) :]]
        assert all(bar.inputs[0].last_offset == offset and not bar.is_final for bar in newest)
        outputs = len(bars) + len(steps) + len(await read(bus, QUALITY.name))
        assert outputs == len(run.outputs) + len(waiting)
        assert again.trades == host.trades == run.engine.trades > 0
        assert (await read(bus, FOOTPRINTS.name), await read(bus, CVD.name)) == (bars, steps)


async def final_bars(bus: EmbeddedBus) -> dict[tuple[object, ...], bytes]:
    bars = [msgspec.json.decode(v, type=FootprintBar) for v in await read(bus, FOOTPRINTS.name)]
    return finals(Output(FOOTPRINTS.name, "BTC", bar, 0) for bar in bars)


async def test_a_host_that_goes_on_after_each_append_makes_the_same_final_records(
    tmp_path: Path,
) -> None:
    wanted = finals(Runner().feed(MARKET.batches()).outputs)
    values = encoded(MARKET.batches())
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        for start in range(0, len(values), 100):
            await append(bus, values[start : start + 100])
            host = BusHost(bus, PARAMS, HostSettings(snapshot_records=37, poll_records=11))
            await host.drain()
            await host.close()
        found = await final_bars(bus)

    assert found == {name: value for name, value in wanted.items() if name[0] == "bar"}


async def test_a_host_that_is_slow_works_less_off_at_a_time_and_keeps_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = encoded(MARKET.batches())
    clock = SlowClock(Engine.process)
    monkeypatch.setattr(Engine, "process", clock.work)
    monkeypatch.setattr("processors.partitions.time", clock)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, values)
        host = BusHost(bus, PARAMS, HostSettings(lease_seconds=5.0))
        await host.drain()
        await host.close()
        found = await final_bars(bus)
    assert clock.monotonic() > 5.0
    monkeypatch.undo()
    assert found == {
        name: value
        for name, value in finals(Runner().feed(MARKET.batches()).outputs).items()
        if name[0] == "bar"
    }


class SlowClock:
    """Time that passes while records are worked off, a tenth of a second for each."""

    def __init__(self, process: Callable[..., list[Output]]) -> None:
        self._process = process
        self._now = 0.0

    def monotonic(self) -> float:
        return self._now

    perf_counter = monotonic

    @property
    def work(self) -> Callable[..., list[Output]]:
        def run(*args: Any) -> list[Output]:
            self._now += 0.1
            return self._process(*args)

        return run


def test_what_is_held_back_for_its_pace_can_be_had_without_changing_anything() -> None:
    run = Runner().feed(MARKET.batches()[:-7])
    before = run.engine.snapshot()[0]
    waiting = run.engine.waiting(TRADES.name, 0)
    newest = {identity(o.record): o.record for o in [*run.outputs, *waiting] if _is_bar(o)}
    open_bars = [
        bar
        for bar in newest.values()
        if isinstance(bar, FootprintBar) and bar.interval_seconds == 3600 and bar.row_size == "1"
    ]
    parts = [bar for bar in newest.values() if _is_minute(bar)]

    assert waiting
    assert not any(output.record.is_final for output in waiting if _is_bar(output))  # type: ignore[attr-defined]
    assert run.engine.snapshot()[0] == before
    hours = sum(bar.buy_lots for bar in open_bars)
    assert hours == sum(bar.buy_lots for bar in parts if isinstance(bar, FootprintBar)) > 0


def _is_bar(output: Output) -> bool:
    return isinstance(output.record, FootprintBar)


def _is_minute(record: msgspec.Struct) -> bool:
    return (
        isinstance(record, FootprintBar)
        and record.interval_seconds == 60
        and record.row_size == "1"
    )


class Spy:
    """A log that notes the order of sends and commits."""

    def __init__(self, bus: EmbeddedBus) -> None:
        self.bus = bus
        self.calls: list[str] = []
        self.epoch = bus.epoch
        self.end_offsets = bus.end_offsets
        self.close = bus.close

    async def send(self, records: Sequence[Outgoing]) -> list[int]:
        topics = {record.topic for record in records}
        names = {b"/" in record.key for record in records} if topics == {SNAPSHOTS.name} else {None}
        self.calls += [{True: "parts", False: "head", None: "outputs"}[n] for n in names]
        return await self.bus.send(records)

    async def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None = None,
        partitions: Sequence[int] | None = None,
        rebalance: Rebalance | None = None,
    ) -> object:
        consumer = await self.bus.consumer(
            topics, group=group, partitions=partitions, rebalance=rebalance
        )
        commit = consumer.commit

        async def noted(offsets: dict[tuple[str, int], int]) -> None:
            self.calls.append("commit")
            await commit(offsets)

        consumer.commit = noted  # type: ignore[assignment,method-assign]
        return consumer


async def test_outputs_then_parts_then_head_then_commit(tmp_path: Path) -> None:
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded(MARKET.batches()))
        spy = Spy(bus)
        host = BusHost(spy, PARAMS, HostSettings(snapshot_records=300, poll_records=100))  # type: ignore[arg-type]
        await host.drain()
        await host.close()
        heads = [
            msgspec.json.decode(v, type=Snapshot)
            for v in await read(bus, SNAPSHOTS.name)
            if v.startswith(b'{"schema":"snapshot')
        ]

    assert spy.calls[0] == "outputs"
    assert ["outputs", "parts", "head", "commit"] in [
        spy.calls[place : place + 4] for place in range(len(spy.calls))
    ]
    assert spy.calls[-2:] == ["head", "commit"]
    assert spy.calls.count("head") == spy.calls.count("commit")
    assert heads[-1].offsets == {TRADES.name: len(MARKET.batches()) - 1}


class Trap:
    """Makes the footprint operator raise on batches with a given quantity, after changing state."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, qty: int) -> None:
        take = FootprintOperator.on_batch

        def on_batch(self: FootprintOperator, batch: Accepted, cause: Cause) -> list[Output]:
            found = take(self, batch, cause)
            if batch.block is not None and qty in batch.block.qtys:
                raise ZeroDivisionError("a fault of ours")
            return found

        monkeypatch.setattr(FootprintOperator, "on_batch", on_batch)


async def test_a_record_that_breaks_an_operator_is_put_aside_and_the_rest_is_as_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = MARKET.batches()
    stream = Stream(BINANCE, session="s9")
    poison = stream.batch(
        NOON + 70 * SECOND, [stream.row(NOON + 69 * SECOND, 600_000, 77_777, BUY)]
    )
    place = len(batches) // 2
    wanted = finals(Runner().feed(batches).outputs)
    Trap(monkeypatch, 77_777)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded([*batches[:place], poison, *batches[place:]]))
        host = BusHost(bus, PARAMS, HostSettings(snapshot_records=90, poll_records=40))
        await host.drain()
        await host.close()
        found = await final_bars(bus)
        (letter,) = await letters(bus)

    assert letter.reason == "operator_failed"
    assert letter.origin.endswith(f"/{place}")
    assert "77777" in letter.payload
    assert found == {name: v for name, v in wanted.items() if name[0] == "bar"}


async def test_too_many_such_records_stop_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Stream(BINANCE)
    rows = [stream.row(NOON + i, 600_000, 5, BUY) for i in range(4)]
    Trap(monkeypatch, 5)
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded([stream.batch(NOON + SECOND, [row]) for row in rows]))
        host = BusHost(bus, PARAMS, HostSettings(poison_limit=2))
        with pytest.raises(OperatorError, match="more than 2 records"):
            await host.drain()


def batch_with(**changes: object) -> bytes:
    stream = Stream(BINANCE)
    row = stream.row(NOON, 600_000, 5, BUY)
    batch = stream.batch(NOON + SECOND, [row])
    return msgspec.json.encode(msgspec.structs.replace(batch, **changes))


GOOD = (NOON, 600_000, 5, BUY, 2, 0)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "unreadable_record"),
        (b"\xff\x00{", "unreadable_record"),
        (b"[" * 100_000, "unreadable_record"),
        (b'{"schema":"trades.v1"}', "unreadable_record"),
        (batch_with(schema="trades.v2"), "unknown_schema"),
        (batch_with(tick="0.001"), "unusable_batch"),
        (batch_with(tick="0"), "unusable_batch"),
        (batch_with(tick="nonsense"), "unusable_batch"),
        (batch_with(lot="0.0015"), "unusable_batch"),
        (batch_with(rows=[GOOD, (NOON, 0, 5, BUY, 3, 0)]), "unreadable_record"),
        (batch_with(rows=[GOOD, (NOON, 600_000, 0, BUY, 3, 0)]), "unreadable_record"),
        (batch_with(rows=[GOOD, (NOON, 600_000, 5, 2, 3, 0)]), "unreadable_record"),
        (batch_with(rows=[GOOD, (-1, 600_000, 5, BUY, 3, 0)]), "unreadable_record"),
        (batch_with(rows=[GOOD, (NOON, 600_000, 5, BUY, "x", 0)]), "unusable_batch"),
        (batch_with(rows=[GOOD, (NOON, 600_000, 1 << 63, BUY, 3, 0)]), "unusable_batch"),
        (batch_with(asset="A/B"), "unusable_batch"),
    ],
)
def test_a_record_that_cannot_be_used_is_a_dead_letter_and_leaves_no_trace(
    value: bytes, reason: str
) -> None:
    batches = MARKET.but(seconds=75, rate=1.0).batches()
    run = Runner().feed(batches[:200])
    before = run.engine.snapshot()[0]
    outputs = run.engine.process(TRADES.name, 3, 200, value)
    (letter,) = [output.record for output in outputs]

    assert isinstance(letter, DeadLetter)
    assert (letter.reason, letter.origin) == (reason, f"{TRADES.name}/3/200")
    assert letter.size_bytes == len(value)
    after = run.engine.snapshot()[0]
    offsets = b'"offsets":{"md.norm.trades.v1":%d}'
    assert after == before.replace(offsets % 199, offsets % 200)
    rest = Runner()
    rest.engine, rest.offset = run.engine, 201
    rest.feed(batches[200:])
    whole = Runner().feed(batches)
    assert finals(run.outputs + rest.outputs) == finals(whole.outputs)


def test_an_absurd_quantity_is_refused_before_any_sum_leaves_64_bits() -> None:
    stream = Stream(BINANCE)
    huge = (1 << 53) - 1
    log = stream.quiet(NOON - SECOND, NOON)
    rows = [stream.row(NOON + i, 600_000, huge, BUY) for i in range(6)]
    log.append(stream.batch(NOON + SECOND, rows))
    log.append(stream.batch(NOON + SECOND, [stream.row(NOON, 600_000, huge + 1, BUY)]))
    log += stream.quiet(NOON + 2 * SECOND, NOON + 70 * SECOND)
    run = Runner().feed(log)
    (letter,) = run.records(DeadLetter)

    assert isinstance(letter, DeadLetter)
    assert letter.reason == "unusable_batch"
    assert "beyond all bounds" in letter.detail
    bar = run.bar(bar_start_us=NOON, scope=Scope.PERP)
    assert msgspec.json.decode(msgspec.json.encode(bar), type=FootprintBar) == bar
    assert bar.buy_lots == 6 * huge < 1 << 63


def test_records_worked_off_before_yield_nothing() -> None:
    run = Runner().feed(MARKET.batches()[:50])
    state = run.engine.snapshot()

    assert run.engine.process(TRADES.name, 0, 49, encoded(MARKET.batches())[49]) == []
    assert run.engine.snapshot()[0] == state[0]


def test_an_asset_without_known_grids_begins_with_its_first_trade() -> None:
    stream = Stream(BINANCE)
    engine = Engine(PARAMS, 1)
    log = [stream.batch(NOON + SECOND, asset="NEW")]
    row = stream.row(NOON + SECOND, 12_345, 7, BUY)
    log.append(stream.batch(NOON + 2 * SECOND, [row], asset="NEW"))
    for second in range(3, 70):
        log.append(stream.batch(NOON + second * SECOND, asset="NEW"))
    outputs = [
        output.record
        for offset, value in enumerate(encoded(log))
        for output in engine.process(TRADES.name, 0, offset, value)
    ]
    bar = next(
        r for r in outputs
        if isinstance(r, FootprintBar) and r.is_final and r.scope is Scope.PERP
    )  # fmt: skip

    assert bar.row_size == "0.1"
    assert bar.buy_lots == 700_000
    assert bar.bar_start_us == NOON - NOON % MINUTE


def test_state_stays_small_however_long_the_log() -> None:
    sizes = []
    for seconds in (200, 800):
        run = Runner().feed(MARKET.but(seconds=seconds, rate=8.0).batches())
        sizes.append(len(run.engine.snapshot()[0]))

    assert max(sizes) < 400_000
    assert sizes[1] < 1.5 * sizes[0]


async def test_what_is_held_back_is_sent_at_the_end_even_right_after_a_snapshot(
    tmp_path: Path,
) -> None:
    async with await EmbeddedBus.open(tmp_path, settings=BUS) as bus:
        await append(bus, encoded(MARKET.batches()))
        host = BusHost(bus, PARAMS, HostSettings(snapshot_records=1))
        await host.drain()
        await host.close()
        newest = msgspec.json.decode((await read(bus, FOOTPRINTS.name))[-1], type=FootprintBar)
        assert newest.inputs[0].last_offset == len(MARKET.batches()) - 1
