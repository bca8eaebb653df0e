"""A Kubernetes API that a drain can be run against: real HTTP, TLS, tokens, RBAC, budgets and watches.

Its truth are answers recorded from kube-apiserver v1.36.2, replayed by the tests. It is
a means, not a second Kubernetes: what a drain does not touch is stored and given back.
"""
