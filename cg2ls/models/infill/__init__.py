"""Infill prompts of any model: their layout, and where a tokenizer's special tokens are found."""
