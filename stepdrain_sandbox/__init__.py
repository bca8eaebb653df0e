"""The embedded world: a Kubernetes API and an AWS account in one process, sharing one clock."""
