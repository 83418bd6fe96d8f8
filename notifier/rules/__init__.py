"""Rules: declared in YAML, checked whole, compiled to a query, decided by one pure function."""
