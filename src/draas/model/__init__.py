"""Pure nouns, one noun a file; every state machine is a table here."""
