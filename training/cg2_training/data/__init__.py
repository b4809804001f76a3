"""Token shards, mixtures and batches."""
