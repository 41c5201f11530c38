"""`perptape metrics`: the registry of metrics as a page."""

from collections.abc import Iterator

from runtime.metrics import Metrics

HEAD = """# Metrics

Every process serves those of its stages at `/metrics` where `metrics_port` is set. Written by
`perptape metrics`; histograms have the series `_bucket` (with `le`), `_sum` and `_count`.

| metric | type | labels | what |
|---|---|---|---|
"""


def listing() -> str:
    """Return every metric, sorted by name, as a Markdown table."""
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in sorted(_rows()))


def _rows() -> Iterator[tuple[str, str, str, str]]:
    metrics = Metrics()
    for family, labels in metrics.declared():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        name = f"{name}_info" if family.type == "info" else name
        words = ", ".join(f"`{label}`" for label in labels)
        yield f"`{name}`", family.type, words, family.documentation
