"""What the market is: instruments, money, chains, prices, volatility."""
