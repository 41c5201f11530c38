"""What it takes to run perptape and what it runs on."""
