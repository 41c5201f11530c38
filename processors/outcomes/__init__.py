"""What events are followed by, and what that is worth beside random times (5.10, 5.13)."""
