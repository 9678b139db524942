"""What can be typed, and nothing of how it is done: everything else is imported by the command that needs it."""
