"""Fitting of the gate that decides whether an answer is shown while someone types."""
