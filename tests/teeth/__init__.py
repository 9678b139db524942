"""Each defence taken out in turn, and the test that notices it: `python -m tests.teeth` writes docs/teeth.md."""
