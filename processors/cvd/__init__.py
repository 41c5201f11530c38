"""The pieces of the CVD operator: one instrument's sums and their history."""
