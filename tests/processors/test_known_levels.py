"""Known levels through the whole toolkit: over midnight, and the same after restarts."""

import json
import random
from collections.abc import Sequence
from dataclasses import replace

import msgspec

from processors.operator import Output
from processors.operators.profiles import ProfilesOperator
from processors.seconds.second import Second, SecondOperator
from processors.toolkit import toolkit
from schemas.lineage import DerivedHeader
from schemas.market import FeedState
from schemas.setups import SetupKind, SetupRecord, SetupState
from schemas.units import US_PER_DAY
from tests.processors.operators.footprint_bars import bar
from tests.processors.operators.tapes import MIDNIGHT
from tests.processors.seconds.builders import ASSET, BINANCE, UNITS, member, second, trade

PRICE = 6_000_000
FIRST, LAST = MIDNIGHT - 240, MIDNIGHT + 360


def seconds() -> list[Second]:
    """Return four minutes before midnight around one price, and six after it coming back."""
    chance, made = random.Random(1), []
    for number in range(FIRST, LAST):
        price = PRICE + (0 if number < MIDNIGHT else 36_000 - 100 * (number - MIDNIGHT))
        price += chance.randrange(-500, 500)
        trades = [trade(number, price, 5, chance.choice([1, -1]))]
        one = second(number, member(BINANCE, trades=trades))
        if (number + 1) % 60 == 0:
            ohlc = (price, price + 40, price - 40, price)
            one = replace(one, bars=[bar(number // 60, ohlc=ohlc)])
        made.append(one)
    return made


def work_off(operators: Sequence[SecondOperator], one: Second) -> list[Output]:
    """Hand a second to all operators, as an asset does."""
    own = replace(one, events=[])
    for operator in operators:
        own.events += operator.on_second(own)
    return own.events


def encoded(outputs: Sequence[Output]) -> list[bytes]:
    return [
        msgspec.json.encode(output.record)
        for output in outputs
        if isinstance(output.record, DerivedHeader)
    ]


def with_a_day_before() -> list[SecondOperator]:
    """Return new operators; to the profiles, one second stands for the day up to now."""
    operators = toolkit(ASSET, UNITS)
    day = second(FIRST - 1, member(BINANCE, there=(US_PER_DAY, FeedState.LIVE)))
    for one in operators:
        if isinstance(one, ProfilesOperator):
            one.on_second(day)
    return operators


def test_setups_are_armed_at_the_levels_that_the_day_before_left() -> None:
    operators = with_a_day_before()
    found = [output.record for one in seconds() for output in work_off(operators, one)]
    armed = [
        record
        for record in found
        if isinstance(record, SetupRecord)
        and record.setup is SetupKind.ABSORPTION_AT_LEVEL
        and record.state is SetupState.ARMED
    ]
    of_profiles = [one for one in armed if not one.evidence[0].startswith("level:pivot")]
    assert of_profiles
    for one in of_profiles:
        assert ":profile:BTC:binance:BTC-USDT-PERP:session:" in one.evidence[0]
        assert one.level_low_ticks is not None
        assert abs(one.level_low_ticks - PRICE) < 1_000


def test_a_restored_toolkit_gives_the_same_answers() -> None:
    told = seconds()
    operators = with_a_day_before()
    wanted = encoded([output for one in told for output in work_off(operators, one)])
    chance, outputs = random.Random(2), list[Output]()
    operators, stored = with_a_day_before(), dict[str, dict[str, bytes]]()
    for one in told:
        outputs += work_off(operators, one)
        if chance.random() < 0.02:
            again = toolkit(ASSET, UNITS)
            for old, new in zip(operators, again, strict=True):
                state, parts = old.snapshot(), stored.setdefault(old.name, {})
                parts |= state.parts
                new.restore(json.loads(json.dumps(state.head)), dict(parts))
                stored[old.name] = {part: held for part, held in parts.items() if new.keeps(part)}
            operators = again
    assert encoded(outputs) == wanted
    assert len(wanted) > 500
