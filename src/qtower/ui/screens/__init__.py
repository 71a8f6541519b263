"""What fills the terminal: one module or package a screen."""
