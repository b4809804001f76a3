"""Export of a training state as a checkpoint and as a model folder."""
