"""One module for each version; a published one is never changed."""
