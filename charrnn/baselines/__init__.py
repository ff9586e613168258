"""What simple methods reach on a text, to hold the score of a network against."""
