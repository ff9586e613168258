"""Looking at a text through a model, and into a model through a text."""
