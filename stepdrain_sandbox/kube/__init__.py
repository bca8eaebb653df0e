"""A Kubernetes API to run drains against: real HTTP, TLS, tokens, RBAC, budgets and watches.

The tests compare it with answers recorded from kube-apiserver v1.36.2. It does not replace
Kubernetes: what a drain does not touch is only stored and returned.
"""
