"""What a training leaves behind: models in files, runs in folders."""
