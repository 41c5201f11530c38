"""Measures of one footprint bar, computed from its rows alone (definitions 5.2 to 5.4).

Pure functions over a `Ladder` (processors.measures.rows): integers in, integers out. Every decision
compares integers by cross-multiplication; a float appears only as a reported ratio or share.
What needs the order of trades (delta path, OHLC, VWAP) is not here: it cannot be had from rows.
"""
