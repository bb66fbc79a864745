"""From tables of members and diagnoses to one row of bit words a member."""
