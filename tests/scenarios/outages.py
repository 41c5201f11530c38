"""What is said of a minute in which a venue was away: the same of every scenario."""

from schemas.cvd_structure import CvdStructure
from schemas.footprints import FootprintBar
from schemas.lineage import Status
from schemas.market import Scope
from tests.scenarios.playing import Player


def bars_of(player: Player, scope: str, start_us: int) -> list[FootprintBar]:
    """Return the final bar of a minute with its finest rows, of an instrument or aggregate."""
    found = [
        bar
        for bar in player.of(FootprintBar)
        if bar.version == 1
        and (bar.interval_seconds, bar.bar_start_us) == (60, start_us)
        and (f"{bar.venue}:{bar.symbol}" if bar.scope is Scope.VENUE else bar.scope.value) == scope
    ]
    return sorted(found, key=lambda bar: bar.row_ticks)[:1]


def assert_dead_minute(player: Player, name: str, start_us: int) -> None:
    """Hold what 5.14 asks of a whole minute without one perpetual.

    Its own bar is a gap without prices; the bar of all is partial and names the others alone; the
    delta of those that were there all the time is said by itself.
    """
    [own] = bars_of(player, name, start_us)
    assert own.completeness.status is Status.GAP
    assert (own.open_ticks, own.high_ticks, own.low_ticks, own.close_ticks) == (None,) * 4
    assert own.null_reasons["prices"] == "gap"
    [every] = bars_of(player, Scope.PERP.value, start_us)
    assert every.completeness.status is Status.PARTIAL
    assert name in every.completeness.venues_expected
    assert name not in every.completeness.venues_complete
    assert len(every.completeness.venues_complete) == 3
    assert every.close_ticks is not None
    assert_common(player, name, start_us)


def assert_common(player: Player, name: str, start_us: int) -> None:
    """Hold the delta of the minute over those that were there all the time: without the dead."""
    [one] = [record for record in player.of(CvdStructure) if record.bar_start_us == start_us]
    own = {f"{row.venue}:{row.symbol}": row for row in one.series if row.scope is Scope.VENUE}
    dead = own.pop(name)
    assert dead.minute is None
    assert dead.null_reasons["minute"] == "gap"
    assert all(share.delta_lots is None for share in dead.shares)
    alive = [row.minute for key, row in own.items() if key.endswith("-PERP") and row.minute]
    assert len(alive) == 3
    [every], [common] = (
        [row for row in one.series if (row.scope, row.composition) == (Scope.PERP, composition)]
        for composition in ("all", "common")
    )
    assert every.completeness.status is Status.PARTIAL
    assert common.minute is not None
    assert common.minute.delta_lots == sum(minute.delta_lots for minute in alive)
    assert all(name not in share.venues for share in common.shares)
