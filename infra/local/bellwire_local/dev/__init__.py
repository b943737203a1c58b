"""The composition root: everything in one process for `bellwire dev`."""
