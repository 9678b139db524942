"""Photos that lie in a bucket already: each version is given to the workflow once."""
