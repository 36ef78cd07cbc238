"""What screens and commands ask for: one interface, answered on this machine by `local`."""
