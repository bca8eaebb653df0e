"""The way to a cluster from a laptop: kubeconfigs as kubectl reads them."""
