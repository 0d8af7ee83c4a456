"""From a phased Bragg crystal to displacement and strain, in nanometres and in the laboratory frame."""
