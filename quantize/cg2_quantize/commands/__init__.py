"""What `cg2-quantize` can be asked to do, a module for each."""
