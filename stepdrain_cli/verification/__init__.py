"""``stepdrain verify``: the deployed functions rehearse a drain; what none of them sees is looked at here."""
