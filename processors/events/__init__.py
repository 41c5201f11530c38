"""What the operators of flow events share: how an event is written, which bars they look at."""
