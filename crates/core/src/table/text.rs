//! Rows of Arrow columns as text: delimited fields and JSON.

use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, RecordBatch};
use arrow_cast::display::{ArrayFormatter, FormatOptions};
use arrow_schema::{DataType, Schema};

/// Appends the line of column names.
///
/// Names that hold any delimiter which readers try are quoted, so that the delimiter is never mistaken.
pub(super) fn delimited_header(schema: &Schema, delimiter: u8, out: &mut String) {
    for (index, field) in schema.fields().iter().enumerate() {
        if index > 0 {
            out.push(char::from(delimiter));
        }
        let ambiguous = field.name().is_empty() || field.name().starts_with(['\u{FEFF}', '{', '[', ' ']);
        delimited_field(field.name(), ambiguous || field.name().contains([',', ';', '\t', '|']), delimiter, out);
    }
    out.push('\n');
}

/// Appends one row and its line end. Nulls become empty fields; lists and structures become JSON.
pub(super) fn delimited_row(rows: &RecordBatch, row: usize, delimiter: u8, out: &mut String) {
    // An empty line would be taken for no row at all.
    let alone = rows.num_columns() == 1;
    let mut text = String::new();
    for (index, column) in rows.columns().iter().enumerate() {
        if index > 0 {
            out.push(char::from(delimiter));
        }
        if let Some(strings) = column.as_string_opt::<i32>() {
            let value = if strings.is_null(row) { "" } else { strings.value(row) };
            delimited_field(value, alone && value.is_empty(), delimiter, out);
        } else if column.is_valid(row) {
            text.clear();
            plain_value(column.as_ref(), row, &mut text);
            delimited_field(&text, alone && text.is_empty(), delimiter, out);
        } else if alone {
            out.push_str("\"\"");
        }
    }
    out.push('\n');
}

fn delimited_field(value: &str, always_quote: bool, delimiter: u8, out: &mut String) {
    let special = |byte: u8| byte == delimiter || byte == b'"' || byte == b'\n' || byte == b'\r';
    if !always_quote && !value.bytes().any(special) {
        out.push_str(value);
        return;
    }
    out.push('"');
    for (index, part) in value.split('"').enumerate() {
        if index > 0 {
            out.push_str("\"\"");
        }
        out.push_str(part);
    }
    out.push('"');
}

/// Appends one row as a JSON object without a line end.
pub(crate) fn json_row(rows: &RecordBatch, row: usize, out: &mut String) {
    out.push('{');
    for (index, (field, column)) in rows.schema_ref().fields().iter().zip(rows.columns()).enumerate() {
        if index > 0 {
            out.push(',');
        }
        json_string(field.name(), out);
        out.push(':');
        json_value(column.as_ref(), row, out);
    }
    out.push('}');
}

/// A value outside JSON: strings bare, numbers in their shortest exact form.
pub(crate) fn plain_value(array: &dyn Array, row: usize, out: &mut String) {
    match array.data_type() {
        DataType::Float16 | DataType::Float32 | DataType::Float64 => {
            if !number(array, row, out) {
                out.push_str("NaN");
            }
        }
        DataType::LargeUtf8 => out.push_str(array.as_string::<i64>().value(row)),
        DataType::Utf8View => out.push_str(array.as_string_view().value(row)),
        kind if kind.is_integer() || kind.is_nested() || *kind == DataType::Boolean => json_value(array, row, out),
        _ => formatted(array, row, out),
    }
}

fn json_value(array: &dyn Array, row: usize, out: &mut String) {
    if array.is_null(row) {
        out.push_str("null");
        return;
    }
    match array.data_type() {
        DataType::Utf8 => json_string(array.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => json_string(array.as_string::<i64>().value(row), out),
        DataType::Utf8View => json_string(array.as_string_view().value(row), out),
        DataType::Boolean => out.push_str(if array.as_boolean().value(row) { "true" } else { "false" }),
        DataType::List(_) => json_list(array.as_list::<i32>().value(row).as_ref(), out),
        DataType::LargeList(_) => json_list(array.as_list::<i64>().value(row).as_ref(), out),
        DataType::FixedSizeList(..) => json_list(array.as_fixed_size_list().value(row).as_ref(), out),
        DataType::Struct(_) => json_row(&RecordBatch::from(array.as_struct()), row, out),
        kind if kind.is_numeric() && !matches!(kind, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
            if !number(array, row, out) {
                out.push_str("null");
            }
        }
        _ => {
            let mut text = String::new();
            formatted(array, row, &mut text);
            json_string(&text, out);
        }
    }
}

fn json_list(values: &dyn Array, out: &mut String) {
    out.push('[');
    for row in 0..values.len() {
        if row > 0 {
            out.push(',');
        }
        json_value(values, row, out);
    }
    out.push(']');
}

/// Appends a number; false, and nothing appended, for one that is not finite.
fn number(array: &dyn Array, row: usize, out: &mut String) -> bool {
    // Writing into a string cannot fail.
    macro_rules! integer {
        ($kind:ty) => {{
            let _ = write!(out, "{}", array.as_primitive::<$kind>().value(row));
            true
        }};
    }
    let float = |value: f64, text: &str, out: &mut String| {
        if value.is_finite() {
            out.push_str(text);
        }
        value.is_finite()
    };
    match array.data_type() {
        DataType::Int8 => integer!(Int8Type),
        DataType::Int16 => integer!(Int16Type),
        DataType::Int32 => integer!(Int32Type),
        DataType::Int64 => integer!(Int64Type),
        DataType::UInt8 => integer!(UInt8Type),
        DataType::UInt16 => integer!(UInt16Type),
        DataType::UInt32 => integer!(UInt32Type),
        DataType::UInt64 => integer!(UInt64Type),
        DataType::Float16 => {
            let value = array.as_primitive::<Float16Type>().value(row);
            float(f64::from(value), &value.to_string(), out)
        }
        DataType::Float32 => {
            let value = array.as_primitive::<Float32Type>().value(row);
            float(f64::from(value), &value.to_string(), out)
        }
        DataType::Float64 => {
            let value = array.as_primitive::<Float64Type>().value(row);
            float(value, &value.to_string(), out)
        }
        _ => {
            formatted(array, row, out);
            true
        }
    }
}

fn formatted(array: &dyn Array, row: usize, out: &mut String) {
    if let Ok(formatter) = ArrayFormatter::try_new(array, &FormatOptions::default()) {
        // A value that cannot be shown, such as a date beyond the calendar, is left out.
        let _ = write!(out, "{}", formatter.value(row));
    }
}

/// Appends a string as JSON.
pub(crate) fn json_string(text: &str, out: &mut String) {
    out.push('"');
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}");
        } else {
            out.push_str(escape);
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
    out.push('"');
}
