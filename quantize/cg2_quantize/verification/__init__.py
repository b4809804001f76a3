"""Proofs that a converted model matches its checkpoint."""
