"""Scenarios: a calm seeded market, acts that happen in it, and the truth that goes with them.

An act (`wall`, `trend`, `divergence`, `cascade`) is made of parts (`parts`): a path that the price
takes, orders that come on top of the market's own, sizes that rest in a book, positions that are
closed. The market plays the parts (`script`), so every venue's prints, books, liquidations and
tickers say the same. What has to be found of it is written down beside it (`truth`), by whoever
wrote the act and from its numbers alone.
"""
