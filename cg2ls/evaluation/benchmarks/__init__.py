"""Published benchmarks of code completion, answered through the path that serves editors."""
