"""How good a model is, on pictures that it never saw."""
