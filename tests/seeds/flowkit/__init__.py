"""The examples that flowkit's README shows, a module each; only their imports are other ones."""
