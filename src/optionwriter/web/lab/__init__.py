"""The Lab: backtests asked for, watched, shown and compared."""
