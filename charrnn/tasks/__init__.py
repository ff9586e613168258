"""What a network is trained for: a data format, a loss and a measure each."""
