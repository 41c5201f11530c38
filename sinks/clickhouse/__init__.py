"""The ClickHouse sink: records to tables, the same code for the embedded engine and a server."""
