"""What was read from files into the tables, beside what a live run has put there."""
