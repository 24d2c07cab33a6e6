"""How much may be in flight, and the door that holds the rest back."""
