"""Step 5, execute: run the body of a claim, and turn whatever happens into an outcome."""
