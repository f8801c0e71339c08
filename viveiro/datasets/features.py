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
    """Names of the classes of every column of ClassLabel, or of lists of them."""
    named = ((column, _class_label(feature)) for column, feature in _features(schema).items())
    return {column: list(feature["names"]) for column, feature in named if feature is not None}


def with_features(schema: pa.Schema, classes: Mapping[str, Sequence[str]]) -> pa.Schema:
    """The schema, telling `datasets` which integer columns are classes and how these are called."""
    features = {field.name: _feature(field.type, classes.get(field.name)) for field in schema}
    return schema.with_metadata({_METADATA_KEY: json.dumps({"info": {"features": features}})})


def card_features(schema: pa.Schema, classes: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """The same for `dataset_info` in a card."""
    return [{"name": field.name, **_card_feature(field.type, classes.get(field.name))} for field in schema]


def plain_type(field: pa.Field, schema: pa.Schema) -> pa.DataType:
    """The type a column of a foreign Parquet file is kept as."""
    if _is_list(field.type):
        plain = plain_type(field.type.value_field.with_name(field.name), schema)
        return pa.list_(plain if pa.types.is_nested(plain) or pa.types.is_floating(plain) else pa.string())
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


def common_type(kinds: Sequence[pa.DataType]) -> pa.DataType:
    """What columns of these types can be cast to together. Where nothing is common to them: text, or the first one if lists
    or objects are among them."""
    try:
        unified = pa.unify_schemas([pa.schema([("", kind)]) for kind in kinds], promote_options="permissive")
    except pa.ArrowTypeError:
        return kinds[0] if any(map(pa.types.is_nested, kinds)) else pa.string()
    return unified.field(0).type


def decode_class_labels(codes: pa.Array, names: Sequence[str]) -> pa.Array:
    """Names for class numbers, also in lists. -1, which `datasets` writes where a label is unknown, becomes null."""
    if _is_list(codes.type):
        offsets = pa.concat_arrays([pa.array([0], pa.int64()), pc.cumulative_sum(_list_sizes(codes))])
        values = decode_class_labels(pc.list_flatten(codes), names)
        return pa.ListArray.from_arrays(offsets.cast(pa.int32()), values, mask=codes.is_null())
    unknown = pc.less(codes, 0)
    return pc.take(pa.array(names, pa.string()), pc.if_else(unknown, pa.scalar(None, codes.type), codes))


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold numbers of classes, one a row or lists of them."""
    return holds_numbers(kind.value_type) if _is_list(kind) else pa.types.is_integer(kind)


def _list_sizes(lists: pa.Array) -> pa.Array:
    return pc.fill_null(pc.list_value_length(lists), 0).cast(pa.int64())


def _is_list(kind: pa.DataType) -> bool:
    return any(check(kind) for check in (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list))


def _class_label(feature: Any) -> dict[str, Any] | None:
    """The ClassLabel that a feature is or holds, as the versions of `datasets` have written lists: by name, or as [item]."""
    if isinstance(feature, list) and len(feature) == 1:
        return _class_label(feature[0])
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") in ("List", "LargeList", "Sequence"):
        return _class_label(feature.get("feature"))
    return feature if feature.get("_type") == "ClassLabel" and feature.get("names") else None


def _features(schema: pa.Schema) -> dict[str, Any]:
    metadata = (schema.metadata or {}).get(_METADATA_KEY)
    if metadata is None:
        return {}
    try:
        features = json.loads(metadata)["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _feature(kind: pa.DataType, names: Sequence[str] | None) -> dict[str, Any]:
    if _is_list(kind):
        return {"feature": _feature(kind.value_type, names), "_type": "List"}
    if names is not None:
        return {"names": list(names), "_type": "ClassLabel"}
    return {"dtype": _dtype(kind), "_type": "Value"}


def _card_feature(kind: pa.DataType, names: Sequence[str] | None) -> dict[str, Any]:
    if _is_list(kind):
        inner = _card_feature(kind.value_type, names)
        return {"list": inner["dtype"] if names is None else inner}
    if names is not None:
        return {"dtype": {"class_label": {"names": {str(code): name for code, name in enumerate(names)}}}}
    return {"dtype": _dtype(kind)}


def _dtype(arrow_type: pa.DataType) -> str:
    return _DTYPES.get(arrow_type) or str(arrow_type)
