"""The command ``gantut``: training without a notebook, its settings and its run folders."""
