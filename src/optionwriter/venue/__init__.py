"""The local exchange: Deribit's rules as a pure state machine."""
