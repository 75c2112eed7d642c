"""Speaks Deribit's JSON-RPC."""
