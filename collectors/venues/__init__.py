"""One pure file per venue; every module here that has `FEEDS` is found, nothing is registered."""
