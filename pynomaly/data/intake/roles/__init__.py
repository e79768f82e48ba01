"""What the columns are: truth, entity, number, category, counter, name."""
