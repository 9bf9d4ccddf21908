"""A step's function and what it uses, taken out of the user's modules."""
