"""optionwriter: sells covered calls and cash-secured puts, and backtests with the code that trades."""

__version__ = "0.1.0"
