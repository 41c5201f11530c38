"""The pieces of the footprint operator: open minutes, archive, wide bars, records."""
