"""Acting: the only room that changes anything on the machine, and keeps a log of what it did."""
