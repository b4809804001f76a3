"""Text and votes from the other files of a workspace."""
