"""AnnData, MuData and SpatialData."""
