"""Tables of the store as Parquet files, for whatever reads such files."""
