"""The five setups: a rule each, and the life that all of them share (definitions 5.13)."""
