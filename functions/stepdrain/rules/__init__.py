"""Decisions about pods, budgets and time: pure functions over values."""
