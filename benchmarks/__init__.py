"""What qtower claims about speed: `make bench` runs every benchmark here (see `__main__`)."""
