"""The story of a map for people: as lines on a terminal, and as one page that needs no network."""
