"""The API of the IBM Quantum Experience, a module for each part of it."""
