"""Delays between tries."""

from runtime.backoff import Backoff


def test_delays_double_up_to_the_ceiling_and_start_over() -> None:
    backoff = Backoff(0.5, 8.0, lambda: 1.0)
    assert [backoff.next_seconds() for _ in range(6)] == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    backoff.reset()
    assert backoff.next_seconds() == 0.5


def test_jitter_stays_between_a_tenth_and_the_whole() -> None:
    assert Backoff(10.0, 10.0, lambda: 0.0).next_seconds() == 1.0
    assert Backoff(10.0, 10.0, lambda: 0.5).next_seconds() == 5.5
