"""cg2ls and other runtimes with the same weights, measured in turns on one machine.

Nothing here imports an exporter: other runtimes are workers in a separate Python environment, made and served by
`cg2_runtimes`.
"""
