"""From an event or a schedule to the executions that it starts."""
