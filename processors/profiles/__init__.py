"""Volume profiles: how much traded at which price, over sessions and rolling windows."""
