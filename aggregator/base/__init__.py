"""What all folders use: cleaned text, numbers as text, names of cases."""
