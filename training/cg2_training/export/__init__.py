"""From a training state to a checkpoint and a model folder."""
