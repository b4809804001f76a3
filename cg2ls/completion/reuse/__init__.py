"""Reuse earlier suggestions while the user types, and prepare the next one."""
