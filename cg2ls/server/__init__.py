"""The language server: thin handlers of LSP messages around `cg2ls.completion`."""
