"""What every room uses: cleaned text, numbers as text, names of cases, work in other processes."""
