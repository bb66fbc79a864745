"""From a member's status and diagnoses to the variables that a model prices."""
