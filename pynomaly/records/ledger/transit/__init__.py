"""How far rows have come that pass through: what each sink has received."""
