"""What a liquidation cascade is seen by: windows, baseline, reference price, state machine."""
