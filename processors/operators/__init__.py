"""One pure class per concern: batches and log time in, records out, state dumped and restored."""
