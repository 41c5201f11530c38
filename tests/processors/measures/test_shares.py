"""Shares in proportion to weights, none above a cap (definitions 5.6)."""

from collections.abc import Mapping
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from processors.measures.shares import Share
from processors.measures.shares import capped_shares as capped

HALF = (1, 2)


def capped_shares(weights: Mapping[str, int], cap: Share) -> dict[str, Fraction]:
    return {name: Fraction(*share) for name, share in capped(weights, cap).items()}


def test_one_venue_counts_all_and_two_count_half_each() -> None:
    assert capped_shares({"a": 7}, HALF) == {"a": 1}
    assert capped_shares({"a": 9, "b": 1}, HALF) == {"a": Fraction(1, 2), "b": Fraction(1, 2)}
    assert capped_shares({"a": 0, "b": 0}, HALF) == {}


def test_what_the_cap_takes_goes_to_the_others_in_proportion() -> None:
    found = capped_shares({"a": 90, "b": 8, "c": 2}, HALF)
    assert found == {"a": Fraction(1, 2), "b": Fraction(2, 5), "c": Fraction(1, 10)}
    again = capped_shares({"a": 90, "b": 9, "c": 1}, (2, 5))
    assert again == {"a": Fraction(2, 5), "b": Fraction(2, 5), "c": Fraction(1, 5)}


@given(st.dictionaries(st.sampled_from("abcdefg"), st.integers(0, 10**12), max_size=7),
       st.tuples(st.integers(1, 9), st.just(10)))  # fmt: skip
def test_shares_add_up_keep_the_order_and_the_cap(
    weights: dict[str, int], cap: tuple[int, int]
) -> None:
    shares = capped_shares(weights, cap)
    there = [name for name, weight in weights.items() if weight]
    assert sorted(shares) == sorted(there)
    if there:
        assert sum(shares.values()) == 1
        assert max(shares.values()) <= max(Fraction(*cap), Fraction(1, len(there)))
    for one in there:
        for other in there:
            assert weights[one] < weights[other] or shares[one] >= shares[other]
