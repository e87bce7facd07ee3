"""The parts of a schema: what its constructor is given, its content and versions, its optionals."""
