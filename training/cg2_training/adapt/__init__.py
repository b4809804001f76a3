"""Adaptation: continued training of a model on a user's repository."""
