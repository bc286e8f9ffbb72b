"""The built-in challenges, one YAML file each."""
