"""What the simulated cloud consists of: its records, accounts, faults and call log, and the state file."""
