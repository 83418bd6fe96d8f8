"""The edge: a message in; accepted, rejected with a reason, or unknown out. Knows no rule, no store."""
