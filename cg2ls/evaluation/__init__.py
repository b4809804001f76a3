"""Measure speed and quality, alone and beside other runtimes."""
