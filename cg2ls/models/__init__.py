"""What models are: the CodeGen2 family and the model folder."""
