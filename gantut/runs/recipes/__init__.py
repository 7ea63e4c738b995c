"""The recipes: which networks, which data, how long, and what is measured in the end."""
