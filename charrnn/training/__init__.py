"""Optimisers, schedules, the loop, and what is done between its steps."""
