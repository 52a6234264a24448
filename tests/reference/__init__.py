"""Slow, readable twins of the kernels, written from the definitions. They never import cxcore."""
