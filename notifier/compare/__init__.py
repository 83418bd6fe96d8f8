"""Two versions of the rules over the same register and period: who gains, loses or moves a message."""
