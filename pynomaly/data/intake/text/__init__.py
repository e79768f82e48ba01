"""Files to cells: encoding, dialect, header, and the rows that are looked at."""
