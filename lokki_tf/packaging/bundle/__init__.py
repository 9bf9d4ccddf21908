"""The files of a step's zip, and the zip."""
