"""The sequence form and the flow form of exhaustion."""
