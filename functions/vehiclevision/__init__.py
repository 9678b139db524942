"""VehicleVision: is it a bicycle or a motorcycle, how sure is that, and where does the rider go."""
