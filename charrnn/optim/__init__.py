"""From a gradient to an update: optimisers and learning rates. They know nothing of a run."""
