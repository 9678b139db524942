"""AWS on this machine: MiniStack with Lambda functions as AWS runs them, and the SageMaker it lacks."""
