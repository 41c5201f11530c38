"""How a process lives: settings, log, metrics, clock, back-off, errors, bus, command line."""
