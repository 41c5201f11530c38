"""`perptape doctor`: what there is, whether it is well, and what to do where it is not.

Each module looks at one thing (`look`, reading only, bounded in time) and judges what it saw (pure
functions from facts to findings, by the figures of the alerts).
"""
