"""Which node groups are protected, and what protects them."""
