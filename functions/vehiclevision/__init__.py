"""VehicleVision: which vehicle is it, how sure is that, and where does the rider go."""
