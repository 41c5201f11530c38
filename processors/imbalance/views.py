"""A book view to and from plain values; what changed the best prices is not kept."""

from processors.plain import Plain
from processors.seconds.second import BookView
from schemas.books import BookState


def dump_view(view: BookView | None) -> Plain:
    """Return a view as plain values."""
    if view is None:
        return None
    return {
        "time_us": view.time_us,
        "epoch": view.epoch,
        "valid": view.valid,
        "state": view.state.value,
        "bids": view.bids,
        "asks": view.asks,
        "bands": view.bands,
        "top_epoch": view.top_epoch,
        "factors": [view.tick_factor, view.lot_factor],
    }


def load_view(values: Plain) -> BookView | None:
    """Return the view of `dump_view`."""
    if values is None:
        return None
    return BookView(
        time_us=values["time_us"],
        epoch=(values["epoch"][0], values["epoch"][1]),
        valid=values["valid"],
        state=BookState(values["state"]),
        bids=[(price, lots) for price, lots in values["bids"]],
        asks=[(price, lots) for price, lots in values["asks"]],
        bands=[(w, b, a, bt, at, c) for w, b, a, bt, at, c in values["bands"]],
        top_epoch=(values["top_epoch"][0], values["top_epoch"][1]),
        tops=[],
        tick_factor=values["factors"][0],
        lot_factor=values["factors"][1],
    )
