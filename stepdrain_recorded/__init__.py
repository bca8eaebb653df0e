"""What a drain left behind: its execution's history and the cluster's audit log, read and understood.

Pure: texts and events come in as arguments, and nothing here opens a file or a connection. The command line,
the embedded world and the guarantees' judge stand on it.
"""
