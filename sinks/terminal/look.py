"""Characters and colours of the ladder; everything a colour says, a character says too."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Look:
    """The characters of one alphabet, and whether the terminal can show heat as backgrounds."""

    buy: str
    sell: str
    buy_agreed: str
    sell_agreed: str
    poc: str
    times: str
    nothing: str
    area_top: str
    area_side: str
    area_bottom: str
    area_only: str
    rule: str
    open_rule: str
    last: str
    more: str
    delta: str
    complete: str
    partial: str
    missing: str
    heat: bool = True


UNICODE = Look(
    buy="▲",
    sell="▼",
    buy_agreed="△",
    sell_agreed="▽",
    poc="◄",
    times="×",  # noqa: RUF001
    nothing="·",
    area_top="┌",
    area_side="│",
    area_bottom="└",
    area_only="[",
    rule="─",
    open_rule="┄",
    last="►",
    more="…",
    delta="Δ",
    complete="✓",
    partial="◐",
    missing="✗",
)
ASCII = Look(
    buy="^",
    sell="v",
    buy_agreed="*",
    sell_agreed="*",
    poc="<",
    times="x",
    nothing=".",
    area_top="/",
    area_side="|",
    area_bottom="\\",
    area_only="[",
    rule="-",
    open_rule=".",
    last=">",
    more="...",
    delta="delta",
    complete="ok",
    partial="partial",
    missing="MISSING",
)

HEAT = ("#12161d", "#15202e", "#182c42", "#1b3957", "#1e476e", "#215687")
"""Backgrounds from little to much volume; the text on them is always `ON_HEAT`."""
ON_HEAT = "#c3ccd6"

BUY = "#4cc26b"
SELL = "#ff7a70"
POC = "bold #f2c14e"
AREA = "#7d93ab"
QUIET = "grey50"
LABEL = "grey58"
LAST = "bold reverse"
LIVE = "bold #f2c14e"
WARNING = "bold #ff9e3d"
