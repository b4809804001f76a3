"""How a converted model is shown to be what its checkpoint was."""
