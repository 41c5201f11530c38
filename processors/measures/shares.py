"""Shares as rational numbers, and shares in proportion to weights (definitions 5.6, flow cap)."""

from collections.abc import Mapping

Share = tuple[int, int]
"""Numerator and denominator."""


def check_share(share: Share, name: str) -> None:
    """Check that a share is a rational number between 0 and 1.

    Raises:
        ValueError: it is not.
    """
    if not 0 < share[0] < share[1]:
        raise ValueError(f"{name} must be between 0 and 1, was {share[0]}/{share[1]}")


def capped_shares(weights: Mapping[str, int], cap: Share) -> dict[str, Share]:
    """Return each name's share, none of them above the cap; together they are 1.

    What a name has above the cap goes to the others in proportion to their weights, again while one
    of them exceeds the cap by it: one pass of "cap, then divide by the sum" would lift a share
    above the cap again (0.8, 0.1, 0.1 at one half would give 0.71). With a cap of one half a second
    pass is never needed. So few names that the cap cannot hold count the same: one alone is 1, and
    two of which one exceeds one half are one half each. A name without weight has no share.

    Args:
        weights: by name.
        cap: of a share.
    """
    top, whole = cap
    free = {name: weight for name, weight in weights.items() if weight > 0}
    names = list(free)
    if len(names) * top <= whole:
        return dict.fromkeys(names, (1, len(names)))
    at_cap = 0
    while True:
        total, rest = sum(free.values()), whole - at_cap * top
        over = [name for name, weight in free.items() if weight * rest > top * total]
        if not over:
            break
        at_cap += len(over)
        for name in over:
            del free[name]
    return {
        name: (free[name] * rest, total * whole) if name in free else (top, whole) for name in names
    }
