//! A slice of the item stream, in columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray, UInt64Array};
use arrow_cast::display::{ArrayFormatter, FormatOptions};

use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::text::Token;

/// Consecutive items of one source: every column of the source, and beside it each item's id, text, content digest and
/// line.
#[derive(Clone, Debug)]
pub struct ItemBatch {
    columns: RecordBatch,
    ids: StringArray,
    texts: StringArray,
    digests: Vec<Digest>,
    lines: Vec<u64>,
    tokens: Option<Vec<Arc<[Token]>>>,
}

impl ItemBatch {
    /// Puts a batch together. All parts must have the same length; neither ids nor texts may hold nulls.
    pub fn new(
        columns: RecordBatch,
        ids: StringArray,
        texts: StringArray,
        digests: Vec<Digest>,
        lines: Vec<u64>,
    ) -> Result<Self> {
        let rows = columns.num_rows();
        if [ids.len(), texts.len(), digests.len(), lines.len()] != [rows; 4] {
            return Err(Error::input(format!("expected every part of a batch to have {rows} rows")));
        }
        if ids.null_count() + texts.null_count() > 0 {
            return Err(Error::input("expected an id and a text for every item of a batch, found nulls"));
        }
        Ok(Self { columns, ids, texts, digests, lines, tokens: None })
    }

    /// The same with the tokens of every text, where they are given rather than made.
    pub fn with_tokens(self, tokens: Vec<Vec<Token>>) -> Result<Self> {
        if tokens.len() != self.len() {
            return Err(Error::input(format!("expected tokens for {} texts, found {}", self.len(), tokens.len())));
        }
        Ok(Self { tokens: Some(tokens.into_iter().map(Arc::from).collect()), ..self })
    }

    /// The tokens that came with the text of a row; `None` if none did.
    pub fn tokens(&self, row: usize) -> Option<&[Token]> {
        self.tokens.as_ref().map(|tokens| &*tokens[row])
    }

    /// How many items.
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// The id of a row.
    pub fn id(&self, row: usize) -> &str {
        self.ids.value(row)
    }

    /// The text of a row, exactly as it was read.
    pub fn text(&self, row: usize) -> &str {
        self.texts.value(row)
    }

    /// The digest of a row's content.
    pub fn digest(&self, row: usize) -> Digest {
        self.digests[row]
    }

    /// The digests of all rows.
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// The line of the source on which a row starts, counted from 1; for Parquet the row number.
    pub fn line(&self, row: usize) -> u64 {
        self.lines[row]
    }

    /// Every column of the source.
    pub fn columns(&self) -> &RecordBatch {
        &self.columns
    }

    /// One value of the source as text; `None` if there is no such column or the value is null.
    pub fn field(&self, row: usize, name: &str) -> Option<String> {
        let column = self.columns.column_by_name(name)?;
        if column.is_null(row) {
            return None;
        }
        if let Some(strings) = column.as_string_opt::<i32>() {
            return Some(strings.value(row).to_owned());
        }
        let formatter = ArrayFormatter::try_new(column, &FormatOptions::default()).ok()?;
        formatter.value(row).try_to_string().ok()
    }

    /// The batch with only these rows, in this order.
    pub fn select(&self, rows: &[usize]) -> Result<Self> {
        let indices = UInt64Array::from_iter_values(rows.iter().map(|&row| row as u64));
        let take = |array: &dyn Array| {
            arrow_select::take::take(array, &indices, None)
                .map_err(|error| Error::input("rows of a batch could not be selected").because(error))
        };
        let columns = self.columns.columns().iter().map(|column| take(column)).collect::<Result<Vec<_>>>()?;
        let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let columns = RecordBatch::try_new_with_options(self.columns.schema(), columns, &options)
            .map_err(|error| Error::input("rows of a batch could not be selected").because(error))?;
        Ok(Self {
            columns,
            ids: take(&self.ids)?.as_string::<i32>().clone(),
            texts: take(&self.texts)?.as_string::<i32>().clone(),
            digests: rows.iter().map(|&row| self.digests[row]).collect(),
            lines: rows.iter().map(|&row| self.lines[row]).collect(),
            tokens: self.tokens.as_ref().map(|tokens| rows.iter().map(|&row| Arc::clone(&tokens[row])).collect()),
        })
    }

    /// The same items and columns with other texts, without tokens; the digests are those of the texts.
    ///
    /// # Errors
    /// As many texts as there are not items.
    pub fn with_texts(self, texts: Vec<String>) -> Result<Self> {
        if texts.len() != self.len() {
            return Err(Error::input(format!("expected {} texts, found {}", self.len(), texts.len())));
        }
        let digests = texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
        Ok(Self { texts: StringArray::from(texts), digests, tokens: None, ..self })
    }

    /// A batch from ids and texts alone, for callers that hold their items already. The digest is that of the text.
    pub fn from_texts<'a>(items: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let (ids, texts): (Vec<&str>, Vec<&str>) = items.into_iter().unzip();
        let digests = texts.iter().map(|text| Digest::of(text.as_bytes())).collect();
        let lines = (1..=ids.len() as u64).collect();
        let (ids, texts) = (StringArray::from(ids), StringArray::from(texts));
        let schema = arrow_schema::Schema::new(vec![
            arrow_schema::Field::new("id", arrow_schema::DataType::Utf8, false),
            arrow_schema::Field::new("text", arrow_schema::DataType::Utf8, false),
        ]);
        let columns = RecordBatch::try_new(Arc::new(schema), vec![Arc::new(ids.clone()), Arc::new(texts.clone())])
            .expect("two string columns of one length fit their schema");
        Self { columns, ids, texts, digests, lines, tokens: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selecting_keeps_rows_together() {
        let batch = ItemBatch::from_texts([("a", "one"), ("b", "two"), ("c", "three")]);
        let picked = batch.select(&[2, 0]).unwrap();
        assert_eq!((picked.id(0), picked.text(0), picked.line(0)), ("c", "three", 3));
        assert_eq!(picked.digest(1), batch.digest(0));
        assert_eq!(picked.field(1, "text").as_deref(), Some("one"));
        assert_eq!(picked.field(1, "nothing"), None);
        let (digest, other) = (picked.digest(0), picked.with_texts(vec!["3".to_owned(), "1".to_owned()]).unwrap());
        assert_eq!((other.id(1), other.text(1), other.field(1, "text").as_deref()), ("a", "1", Some("one")));
        assert_ne!(other.digest(0), digest);
        assert!(other.with_texts(Vec::new()).is_err());
    }
}
