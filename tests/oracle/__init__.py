"""A second, slow reading of the rule language, written from its sentences alone, to hold the engine against."""
