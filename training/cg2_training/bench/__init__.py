"""Benchmark of the trainer against the Hugging Face Trainer and the machine's peak."""
