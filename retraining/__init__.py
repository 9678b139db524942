"""Retraining: what is staged and when it is not, what a comparison leads to, and the parameters of its stack."""
