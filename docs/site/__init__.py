"""The documentation's generator: what Sphinx is told, and the pages that are made from the code itself."""
