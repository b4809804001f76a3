"""Command line of `cg2-train`: parsing and printing only."""
