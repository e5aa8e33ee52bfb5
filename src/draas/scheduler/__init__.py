"""Pure decisions over the nouns of draas.model."""
