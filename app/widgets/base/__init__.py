"""What every screen is made of: styled text, tables, bars, state badges."""
