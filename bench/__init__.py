"""Measurements: ours beside the alternative, in one run, as a ratio."""
