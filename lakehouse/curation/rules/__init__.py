"""The rules of validation, one file per family; `_table` lists them."""
