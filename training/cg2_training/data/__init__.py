"""Training data: tokenizer, token shards, mixtures, rows and batches."""
