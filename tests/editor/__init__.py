"""A rule in a real editor's language server: what it completes, explains and underlines."""
