"""What goes over the wire and into tables: pure definitions, no I/O.

Prices and quantities are integers on a decimal grid (`tick`, `lot`, carried as decimal text beside
them); times are integer microseconds UTC; a `None` always comes with a reason. Records are
msgspec structs encoded as JSON, so any console reads them and no precision is lost.
"""
