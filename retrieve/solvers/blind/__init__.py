"""`auto`: phasing with an unknown support, an unknown blur and possible second grains."""
