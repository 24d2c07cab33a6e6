"""What goes next: the newest write of each key, in order, as much as there is room for."""
