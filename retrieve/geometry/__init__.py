"""Geometry: the experiment behind a pattern, diffractometers, voxel vectors, orthogonal grids."""
