"""Files become frames here, and frames become files."""
