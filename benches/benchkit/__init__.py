"""What the suites, the comparison and the rendering share."""
