"""What qtower claims about speed: `make bench` runs every module here and prints ratios."""
