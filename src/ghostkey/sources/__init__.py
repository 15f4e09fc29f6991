"""Where events come from. A source yields events and decides nothing."""
