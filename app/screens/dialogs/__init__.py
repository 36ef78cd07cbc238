"""Modal dialogs: questions and short forms."""
