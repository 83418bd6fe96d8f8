"""Rehearsal: tests of rules, written by officers in YAML, played on the real engine with a clock and carriers."""
