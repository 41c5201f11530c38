"""How a process of perptape lives: settings, log, metrics, clock, back-off, errors, bus, command line."""
