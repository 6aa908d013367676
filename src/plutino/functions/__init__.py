"""SQL functions, one file per family; discovered by scanning."""
