"""Training corpora: sources are read, cleaned, deduplicated and written as JSON lines."""
