"""From changes to one swap of pointers."""
