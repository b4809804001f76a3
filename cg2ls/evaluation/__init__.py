"""Measurements of latency, quality and other runtimes, and their reports."""
