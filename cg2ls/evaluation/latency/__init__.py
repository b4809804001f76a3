"""Latency and memory of engine, server, typing and repository memory."""
