"""What we hold and owe: the ledger, profit and loss, the exchange's money rules."""
