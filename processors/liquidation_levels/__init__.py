"""Estimated positions: where they were opened, and at which prices they would be liquidated."""
