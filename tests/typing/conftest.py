from tests.in_a_lake import lake as lake
