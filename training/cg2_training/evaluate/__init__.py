"""Evaluation: held-out losses, and accuracy with memory in whole repositories."""
