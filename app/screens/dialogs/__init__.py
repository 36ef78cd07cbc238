"""Small windows over a screen: questions and short forms."""
