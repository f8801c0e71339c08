"""Column types as the `datasets` library writes them, in Parquet's schema and in the card, so that it reads ours and we read its."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

_METADATA_KEY: Final = b"huggingface"
_DTYPES: Final = {pa.float64(): "float64", pa.date32(): "date32", pa.date64(): "date64"}
"""Where `datasets` and Arrow differ in how they write a type."""


def class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Names of the classes of every ClassLabel column."""
    features = _features(schema)
    return {
        column: list(feature["names"])
        for column, feature in features.items()
        if isinstance(feature, dict) and feature.get("_type") == "ClassLabel" and feature.get("names")
    }


def with_features(schema: pa.Schema, classes: Mapping[str, Sequence[str]]) -> pa.Schema:
    """The schema, telling `datasets` which integer columns are classes and how these are called."""
    features = {field.name: _feature(field, classes.get(field.name)) for field in schema}
    return schema.with_metadata({_METADATA_KEY: json.dumps({"info": {"features": features}})})


def card_features(schema: pa.Schema, classes: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The same for `dataset_info` in a card."""
    return [{"name": field.name, "dtype": _card_dtype(field, classes.get(field.name))} for field in schema]


def plain_type(field: pa.Field, schema: pa.Schema) -> pa.DataType:
    """The type a column of a foreign Parquet file is kept as."""
    if field.name in class_names(schema):
        return pa.string()
    value_type = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if pa.types.is_integer(value_type):
        return pa.int64()
    if pa.types.is_floating(value_type):
        return pa.float64()
    if pa.types.is_large_string(value_type) or pa.types.is_string_view(value_type):
        return pa.string()
    return value_type


def decode_class_labels(codes: pa.Array, names: Sequence[str]) -> pa.Array:
    """Names for class numbers. -1, which `datasets` writes where a label is unknown, becomes null."""
    unknown = pc.less(codes, 0)
    return pc.take(pa.array(names, pa.string()), pc.if_else(unknown, pa.scalar(None, codes.type), codes))


def _features(schema: pa.Schema) -> dict[str, Any]:
    metadata = (schema.metadata or {}).get(_METADATA_KEY)
    if metadata is None:
        return {}
    try:
        features = json.loads(metadata)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _feature(field: pa.Field, names: Sequence[str] | None) -> dict[str, Any]:
    if names is not None:
        return {"names": list(names), "_type": "ClassLabel"}
    return {"dtype": _dtype(field.type), "_type": "Value"}


def _card_dtype(field: pa.Field, names: Sequence[str] | None) -> Any:
    if names is not None:
        return {"class_label": {"names": {str(code): name for code, name in enumerate(names)}}}
    return _dtype(field.type)


def _dtype(arrow_type: pa.DataType) -> str:
    return _DTYPES.get(arrow_type) or str(arrow_type)
