"""Records of terms."""
