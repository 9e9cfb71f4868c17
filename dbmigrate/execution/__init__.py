"""Plans carried out on a server: the lock, transactions, steps, and what an interrupted run leaves."""
