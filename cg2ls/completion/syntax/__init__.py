"""Analyse the code around the cursor: tree-sitter, brackets, strings and languages."""
