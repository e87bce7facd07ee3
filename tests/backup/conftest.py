from tests.in_a_lake import in_an_empty_folder, lake

__all__ = ["in_an_empty_folder", "lake"]
