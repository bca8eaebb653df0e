"""One module per Lambda function, named as its state; ``handler`` composes, nothing else."""
