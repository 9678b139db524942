"""What a Lambda worker process makes of its environment."""

from local.engine.lambda_worker.run import complete_environment, module_paths


def test_on_linux_the_artefact_comes_first() -> None:
    """As in AWS, a function's own dependencies win over the runtime's."""
    paths = module_paths("linux", "/var/task", "/site")

    assert paths[1:] == ["/var/task", "/site"]


def test_elsewhere_the_installed_packages_come_first() -> None:
    """The artefact holds Linux wheels, which another system cannot load."""
    paths = module_paths("darwin", "/var/task", "/site")

    assert paths[1:] == ["/site", "/var/task"]


def test_the_runtime_client_of_this_package_comes_before_all() -> None:
    """awslambdaric's own transport exists for Linux only."""
    assert module_paths("linux", "/var/task", "/site")[0].endswith("lambda_worker")


def test_the_managed_runtime_is_named() -> None:
    """Powertools and boto3 read where they run from these variables."""
    found = complete_environment({"AWS_LAMBDA_FUNCTION_NAME": "f"}, (3, 13))

    assert found["AWS_EXECUTION_ENV"] == "AWS_Lambda_python3.13"
    assert found["AWS_LAMBDA_LOG_GROUP_NAME"] == "/aws/lambda/f"
