"""cg2ls and other runtimes with the same weights, measured in turns on one machine.

Nothing here imports an exporter: other runtimes are workers in a Python of their own, made and served by
`cg2_runtimes`.
"""
