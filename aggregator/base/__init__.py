"""What every room uses: cleaned text, numbers as text, names of cases."""
