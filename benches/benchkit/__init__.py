"""The common parts of the suites, the comparison and the rendering."""
