"""Reads what a drain recorded: its execution's history and the cluster's audit log.

Pure: texts and events come in as arguments, and nothing here opens a file or a connection. The command line,
the embedded world and the check of the guarantees use it.
"""
