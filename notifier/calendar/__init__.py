"""Office time: zones, working days, joint leave, silent days, sending hours."""
