"""From a gradient to an update: optimisers and learning rates, which know nothing of a run."""
