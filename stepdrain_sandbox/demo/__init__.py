"""``make demo``: one instance is terminated, its node is drained, and everything is shown as it happens."""
