"""The stages: one topic a module, none imports another."""
