"""SageMaker: train, tune, register, deploy, roll back and tear down, with plain boto3.

What is asked of AWS is built by pure functions (`jobs`, `registry`, `endpoint`) as `Request`s, and sent by others: so
a dry run prints exactly what would be sent, and a test holds each against AWS's own model.
"""
