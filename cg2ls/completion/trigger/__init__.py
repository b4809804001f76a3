"""Decide whether, how far and when to complete."""
