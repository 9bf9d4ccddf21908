"""Parsed source: files and notebook cells, scopes and names, modules and where they come from."""
