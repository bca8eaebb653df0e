"""The network: Kubernetes, AWS, and the connections to them. Nobody else talks to either."""
