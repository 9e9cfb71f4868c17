"""What people ask on call: what is wrong with the set-up, who waits for whom, and a psql on the target database."""
