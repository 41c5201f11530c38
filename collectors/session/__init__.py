"""What a connection delivers as a pure state machine, from frames to records."""
