"""Importers: files that people have, read into the canonical schema; a file a format, chosen by `registry`."""
