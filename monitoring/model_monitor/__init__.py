"""SageMaker Model Monitor's formats, for whoever reads them already."""
