"""What every record of the toolkit says of itself."""

from typing import TypedDict

from processors.seconds.second import Second
from schemas.lineage import InputRange


class Derived(TypedDict):
    """The fields of `schemas.lineage.DerivedHeader` that a second and its operator decide."""

    asset: str
    revision: int
    method: str
    params: str
    inputs: list[InputRange]


def derived(second: Second, method: str, params: str) -> Derived:
    """Return the header of a record, to be handed on as `**derived(...)`.

    Args:
        second: that the record is sent with.
        method: the formula and its version.
        params: the hash of the parameters.
    """
    return Derived(
        asset=second.asset,
        revision=second.revision,
        method=method,
        params=params,
        inputs=list(second.inputs),
    )
