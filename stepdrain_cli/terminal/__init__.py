"""How commands talk to a person or a program: tables, formats, questions, exit statuses."""
