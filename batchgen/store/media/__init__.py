"""What bytes are: pictures and films, told by their content."""
