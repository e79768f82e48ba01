"""What the columns are: truth, entity, number, category, counter, name.

Called by `intake`. May import what `data.intake` may import.
"""
