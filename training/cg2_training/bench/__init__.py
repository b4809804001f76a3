"""How fast the trainer is, beside the Hugging Face Trainer and beside what the machine can do."""
