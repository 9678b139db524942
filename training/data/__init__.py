"""The pictures: where they come from, what is made of them, which of them train."""
