"""The history of the schema: each file in `versions` only adds, or fills, or (a release later) removes."""
