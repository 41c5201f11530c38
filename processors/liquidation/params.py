"""Parameters of the liquidation operator."""

import msgspec


class LiquidationParams(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as one cluster.

    - `cluster_gap_seconds`: liquidations of one side further apart belong to two clusters.
    - `cluster_most_seconds`: a cluster is cut when it is as long as this.
    - `cluster_least_rows`: what has fewer liquidations is not published.

    Raises:
        ValueError: a value that makes no clusters.
    """

    cluster_gap_seconds: int = 5
    cluster_most_seconds: int = 600
    cluster_least_rows: int = 3

    def __post_init__(self) -> None:
        if self.cluster_gap_seconds < 1 or self.cluster_least_rows < 1:
            raise ValueError("cluster_gap_seconds and cluster_least_rows must be 1 or more")
        if self.cluster_most_seconds <= self.cluster_gap_seconds:
            raise ValueError("cluster_most_seconds must be above cluster_gap_seconds")


DEFAULT = LiquidationParams()
