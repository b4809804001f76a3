"""Continuing a model on a person's own repository."""
