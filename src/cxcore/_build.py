"""How the compiled core was built."""
