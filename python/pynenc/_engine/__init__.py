"""The values of the compiled extension that several rooms need: the only door to them."""
