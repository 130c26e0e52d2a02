"""What is allowed, what is good, what is chosen."""
