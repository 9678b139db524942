"""What the model does in use, seen from captured data alone: captures, drift, estimated accuracy, report, review."""
