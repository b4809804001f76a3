"""Parts of a training run around the loop: recipe, plan, hardware, processes, state and progress."""
