"""Messages become rows: decoded by the column contract, kept by window, with the rows before each entity's next."""
