"""One photo, erased wherever it or its picture lies."""
