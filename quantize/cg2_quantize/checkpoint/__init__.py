"""Find, read and write checkpoints."""
