"""Small helpers of several rooms."""
