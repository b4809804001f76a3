"""Training on a remote machine without network: pack a run here, train it there in sessions, and collect uploads."""

START_FOLDER = "start"
"""Folder of a pack with the checkpoint to begin with."""
