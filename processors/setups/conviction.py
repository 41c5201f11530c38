"""Setup 5: spot and perpetuals agree; it weighs the others and never stands alone.

Always armed, so nothing is said of that. Of the quote currencies of spot, which are kept apart
(definitions 5.5), the one with the most venues behind it counts, of equals the first by name.

- CONFIRMED: the conviction is `confirmed` on its side: both shares above zero for a long.
- INVALIDATED: it is `opposed`. COMPLETED: it is neither any more, or on the other side.
- SUSPENDED: it is null.

The weight of a setup is 1 where the conviction is confirmed on its side, 0 where it is opposed or
confirmed on the other one, and 0.5 otherwise: one market alone, or none. Null where it is unknown.
It is judged each minute over one hour, in the variant of one minute.

Values: `spot_share`, `perp_share`.
"""

from collections.abc import Sequence

from processors.setups.life import COMPLETED, CONFIRMED, INVALIDATED, SUSPENDED, Life, Move
from processors.setups.sight import Sight
from schemas.cvd_structure import Conviction, ConvictionState
from schemas.setups import SetupKind


def leading(convictions: Sequence[Conviction]) -> Conviction | None:
    """Return the conviction that counts, if there is one."""
    return min(convictions, key=lambda one: (-len(one.spot_venues), one.quote), default=None)


def side_of(conviction: Conviction) -> int:
    """Return which side is confirmed, 1 or -1; 0 where none is."""
    if conviction.state is not ConvictionState.CONFIRMED or conviction.perp_share is None:
        return 0
    return 1 if conviction.perp_share > 0 else -1


def weight_of(conviction: Conviction | None, sign: int) -> float | None:
    """Return the weight of a setup of a side, None where it is unknown."""
    if conviction is None or conviction.state is None:
        return None
    side = side_of(conviction)
    if side == sign:
        return 1.0
    if side == -sign or conviction.state is ConvictionState.OPPOSED:
        return 0.0
    return 0.5


class SpotPerpConviction:
    """The rule of setup 5."""

    kind = SetupKind.SPOT_PERP_CONVICTION
    ages = False

    def bar(self, sight: Sight, life: Life) -> Move | None:
        """Return what a minute leads to."""
        now = sight.conviction
        if now is None or now.state is None:
            return None if life.state is None else Move(SUSPENDED, "conviction_unknown")
        life.values = {"spot_share": now.spot_share, "perp_share": now.perp_share}
        life.venues = sorted([*now.spot_venues, *now.perp_venues])
        life.venues_expected = life.venues
        if life.state is None:
            life.origin = now.quote
            return Move(CONFIRMED, "confirmed") if side_of(now) == sight.sign else None
        if now.state is ConvictionState.OPPOSED:
            return Move(INVALIDATED, "opposed")
        return None if side_of(now) == sight.sign else Move(COMPLETED, now.state.value)
