"""The domain of a node drain: decisions as pure functions, two adapters for the network.

``kube`` and ``aws`` are the only modules that talk to anybody. All others take what
they need as arguments and give values back, so they can be read and tested alone.
"""

VERSION = "0.1.0"
