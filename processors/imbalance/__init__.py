"""What the order book measures remember from second to second (definitions 5.6)."""
