"""Simulate people who write real files: typists, users, and the editor they write in."""
