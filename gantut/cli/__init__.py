"""Training without a notebook: ``python -m gantut``, its settings and its run folders."""
