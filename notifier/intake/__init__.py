"""Files and foreign databases into the register, with a report of what was refused and why."""
