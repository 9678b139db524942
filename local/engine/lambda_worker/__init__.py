"""What runs inside one Lambda worker process: AWS's own runtime interface client over a plain-Python transport."""
