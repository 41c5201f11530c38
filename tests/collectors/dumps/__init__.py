"""Files of the venues, small and written by hand."""
