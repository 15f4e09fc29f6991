"""An admission guard that ratchets: a map may not grow past its cap, and everything else passes."""
