"""Renewal reminders for immigration offices, from a register of permits to a provider's receipt."""

__version__ = "0.1.0"
