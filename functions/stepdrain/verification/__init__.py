"""A rehearsal of the deployed functions: each checks what it would need for a drain, and changes nothing."""
