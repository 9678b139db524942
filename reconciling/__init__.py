"""Photos that were lost from sight: found by joining what there is, and put right."""
