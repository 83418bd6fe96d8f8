"""What the rules would tell over a period: the register walked once, each kind of subject worked out once."""
