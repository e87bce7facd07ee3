"""Validation: data, a spec and a resolver of terms in; a report out.

Nothing here knows a registry or the engine. `validate` judges tables, `validate_values`
single values, and `standardize` replaces synonyms.

Example:
    >>> import pyarrow as pa
    >>> spec = DatasetSpec(columns=(ColumnRule("cell_type", "cat[bionty.CellType]"),))
    >>> terms = pa.table({"uid": ["1"], "name": ["B cell"], "synonyms": ["B-cell"]})
    >>> report = validate(
    ...     pa.table({"cell_type": ["B cell", "B-cell"]}),
    ...     spec,
    ...     TableResolver({"bionty.CellType": terms}),
    ... )
    >>> report.failures[0].synonym_of
    'B cell'
"""

from __future__ import annotations

from lakehouse.curation.data.sources import Dataset, as_arrow
from lakehouse.curation.failure import Failure
from lakehouse.curation.reports.report import Report
from lakehouse.curation.spec import ColumnRule, DatasetSpec, RowFault, RowJudge, ValueJudge
from lakehouse.curation.standardization import standardize, synonyms_in
from lakehouse.curation.terms import Matches, Resolution, TableResolver, TermResolver
from lakehouse.curation.validation import validate
from lakehouse.curation.values import model_of, validate_values

__all__ = [
    "ColumnRule",
    "Dataset",
    "DatasetSpec",
    "Failure",
    "Matches",
    "Report",
    "Resolution",
    "RowFault",
    "RowJudge",
    "TableResolver",
    "TermResolver",
    "ValueJudge",
    "as_arrow",
    "model_of",
    "standardize",
    "synonyms_in",
    "validate",
    "validate_values",
]
