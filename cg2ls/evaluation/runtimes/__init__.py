"""Measures cg2ls, and other runtimes with the same weights, in turns on one machine.

Nothing here imports an exporter: other runtimes are workers in a Python of their own (`remote`), made and
served by `cg2_runtimes`.
"""
