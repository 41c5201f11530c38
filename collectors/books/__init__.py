"""Order books kept from the venues' updates: levels, the rules of continuity, one book."""
