"""Files to cells: encoding, dialect, header, and the rows that are looked at.

Called by `intake`. May import what `data.intake` may import.
"""
