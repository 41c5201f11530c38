"""A number that only shrinks, without losing anything that counts."""

import random
from fractions import Fraction

from processors.liquidation_levels.scale import BITS, GUARD_BITS, Scale, faded
from tests.processors.seconds.builders import plainly


def test_a_half_life_halves_and_none_of_it_fades_nothing() -> None:
    assert faded(10_080, 10_080) == (1 << (BITS - 1), 1 << BITS)
    assert faded(0, 10_080) == (1 << BITS, 1 << BITS)
    assert faded(10_080 * 100, 10_080)[0] == 0


def test_a_thousand_minutes_fade_like_one_by_one() -> None:
    scale, once = Scale(), Scale()
    for _ in range(1000):
        scale.shrink(*faded(1, 10_080))
    once.shrink(*faded(1000, 10_080))
    units = scale.units(10**12, 1)
    assert scale.worth(units) == 10**12
    one, other = (each.worth(1 << 80) for each in (scale, once))
    assert abs(one - other) < other / 2**48


def test_units_of_later_are_worth_more_and_nothing_underflows() -> None:
    chance = random.Random(2)
    scale, exact = Scale(), Fraction(1)
    before = scale.units(123_456, 1)
    for _ in range(3000):
        numerator = chance.randrange(1, 1000)
        denominator = numerator + chance.randrange(1000)
        scale.shrink(numerator, denominator)
        exact *= Fraction(numerator, denominator)
    assert scale.worth(before) == 0
    assert scale.worth(scale.units(123_456, 1)) == 123_456
    found = Fraction(scale.worth(1 << 5000), 1 << 5000) * (1 << GUARD_BITS)
    assert abs(found / exact - 1) < Fraction(3000, 1 << (BITS - 3))
    again = Scale(plainly(scale.dump()))
    assert again.worth(1 << 5000) == scale.worth(1 << 5000)


def test_shares_of_a_lot_are_kept_and_rounded_once() -> None:
    scale = Scale()
    thirds = [scale.units(1, 3) for _ in range(3)]
    assert scale.worth(sum(thirds)) == 1
    assert scale.worth(scale.units(1, 2)) == 0
    assert scale.worth(scale.units(3, 2)) == 2
    assert scale.worth(scale.units(5, 1), 7, 2) == 18
