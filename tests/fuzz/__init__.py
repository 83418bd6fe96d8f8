"""Rules bent at random, to see that `rules check` answers each with sentences: no traceback, no hang."""
