"""Typing over a real server process while its surroundings and its client go wrong, and nothing may be lost."""
