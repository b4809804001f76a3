"""The five lessons of the CodeGen2 paper, repeated at a small size and scored by row."""
