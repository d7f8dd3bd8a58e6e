"""Feature generators: one a blueprint, each a stage that turns raw fields into model inputs."""
