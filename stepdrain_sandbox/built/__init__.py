"""The functions as they are deployed: from the built archives, each invocation in a process of its own."""
