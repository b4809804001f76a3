"""What a training run needs beside the loop: recipe, state, progress, plan."""
