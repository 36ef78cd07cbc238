"""What screens and commands ask for. Knows both the store and the supervisor; knows no screen."""
