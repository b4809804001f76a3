"""Completion over HTTP on the loopback, for clients of llama.cpp and of OpenAI's completions."""
