"""What is known of liquidations in a window: sums with their bounds, and clusters."""
