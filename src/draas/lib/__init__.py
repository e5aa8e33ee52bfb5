"""Small foundations that know no word of the domain."""
