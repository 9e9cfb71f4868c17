"""A deployment: verify, plan, back up, migrate, check the health, roll back if that fails."""
