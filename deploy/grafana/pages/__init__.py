"""One module a dashboard: its panels, in the order in which they are shown.

Shown is what the views say: a null is a gap in a line, never a zero. Quantities are in base coin,
dollars are notional of the quote taken as dollars.
"""
