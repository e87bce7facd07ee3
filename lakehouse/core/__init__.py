"""Second addresses of public names, for code that imports them from here."""
