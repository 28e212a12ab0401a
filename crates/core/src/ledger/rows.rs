//! Annotations as rows of SQLite.

use std::path::Path;

use rusqlite::{Connection, Row as SqlRow, params};

use super::columns::{ColumnsBuilder, NONE, Row, answer_text, labels_text};
use super::fingerprint::{Said, row_digest};
use super::schema::{damaged, sqlite_error};
use crate::annotation::{Annotation, Cost};
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::item::ItemId;

/// One annotation, made ready for SQLite by the thread that brings it.
pub(super) struct Prepared {
    annotator: i64,
    item: ItemId,
    content: Digest,
    status: u8,
    digest: Digest,
    at_millis: i64,
    seed: u64,
    confidence: Option<f32>,
    cost: Cost,
    suggestion_shown: bool,
    inclusion_probability: Option<f64>,
    answer: String,
    distribution: Option<String>,
    evidence: Option<String>,
}

impl Prepared {
    pub(super) fn new(annotator: i64, annotation: Annotation) -> Self {
        let answer = answer_text(&annotation.answer);
        let said = Said::of(&annotation, &answer).digest(&mut Vec::new());
        Self {
            annotator,
            digest: row_digest(&annotation.item, annotation.content, said),
            item: annotation.item,
            content: annotation.content,
            status: annotation.status.code(),
            at_millis: annotation.at_millis,
            seed: annotation.seed,
            confidence: annotation.confidence,
            cost: annotation.cost,
            suggestion_shown: annotation.suggestion_shown,
            inclusion_probability: annotation.inclusion_probability,
            answer,
            distribution: annotation
                .distribution
                .map(|weights| serde_json::to_string(&weights).expect("names and finite weights are always JSON")),
            evidence: annotation.evidence,
        }
    }
}

/// Stores rows; the number of the last one comes back.
pub(super) fn insert(connection: &Connection, rows: &[Prepared]) -> rusqlite::Result<i64> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO annotations (annotator, item, content, status, digest, at, seed, confidence, money_micros,
         person_millis, input_tokens, output_tokens, suggestion_shown, inclusion_probability, answer, distribution,
         evidence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
    )?;
    for row in rows {
        // SQLite's integers are signed: the bits are kept.
        statement.execute(params![
            row.annotator,
            &*row.item,
            row.content.as_bytes(),
            row.status,
            row.digest.as_bytes(),
            row.at_millis,
            row.seed as i64,
            row.confidence,
            row.cost.money_micros as i64,
            row.cost.person_millis as i64,
            row.cost.input_tokens as i64,
            row.cost.output_tokens as i64,
            row.suggestion_shown,
            row.inclusion_probability,
            row.answer,
            row.distribution,
            row.evidence,
        ])?;
    }
    Ok(connection.last_insert_rowid())
}

/// What a snapshot needs to know of every row before it reads any in full.
pub(super) struct Head {
    pub(super) seq: i64,
    pub(super) annotator: i64,
    pub(super) key: u128,
    pub(super) status: u8,
    pub(super) digest: Digest,
}

/// All rows up to a point in the order of their arrival; of one annotator, or of all in one pass over the table.
pub(super) fn heads(
    connection: &Connection,
    file: &Path,
    annotator: Option<i64>,
    until: i64,
    mut visit: impl FnMut(Head),
) -> Result<()> {
    let fail = |error| sqlite_error(file, "annotations cannot be read", error);
    let filter = if annotator.is_some() { "annotator = ?2 AND" } else { "?2 IS NULL AND" };
    let query = format!(
        "SELECT seq, annotator, item, content, status, digest FROM annotations WHERE {filter} seq <= ?1 ORDER BY seq"
    );
    let mut statement = connection.prepare_cached(&query).map_err(fail)?;
    let mut rows = statement.query(params![until, annotator]).map_err(fail)?;
    while let Some(row) = rows.next().map_err(fail)? {
        let content = digest(row, 3, file)?;
        let item = row.get_ref(2).map_err(fail)?.as_str().map_err(|error| fail(error.into()))?;
        visit(Head {
            seq: row.get(0).map_err(fail)?,
            annotator: row.get(1).map_err(fail)?,
            key: super::fingerprint::key(item, content),
            status: row.get(4).map_err(fail)?,
            digest: digest(row, 5, file)?,
        });
    }
    Ok(())
}

fn digest(row: &SqlRow<'_>, column: usize, file: &Path) -> Result<Digest> {
    let bytes: [u8; 16] = row.get(column).map_err(|error| sqlite_error(file, "a digest cannot be read", error))?;
    Ok(Digest::from_bytes(bytes))
}

/// Reads an annotator's rows up to a point, in the order of their arrival, in slices of up to `slice` rows.
pub(super) fn read(
    connection: &Connection,
    file: &Path,
    (annotator, version): (i64, Digest),
    until: i64,
    wanted: impl Fn(i64) -> bool,
    slice: usize,
    mut visit: impl FnMut(ColumnsBuilder) -> Result<()>,
) -> Result<()> {
    let fail = |error| sqlite_error(file, "annotations cannot be read", error);
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, item, content, status, digest, at, seed, confidence, money_micros, person_millis, \
             input_tokens, output_tokens, suggestion_shown, inclusion_probability, answer, distribution, evidence \
             FROM annotations WHERE annotator = ?1 AND seq <= ?2 ORDER BY seq",
        )
        .map_err(fail)?;
    let mut rows = statement.query(params![annotator, until]).map_err(fail)?;
    let mut builder = ColumnsBuilder::default();
    while let Some(row) = rows.next().map_err(fail)? {
        let seq = row.get(0).map_err(fail)?;
        if !wanted(seq) {
            continue;
        }
        push(&mut builder, row, version, file).map_err(|error| match error {
            Unreadable::Sqlite(error) => fail(error),
            Unreadable::Row(error) => error.in_file(file),
            Unreadable::Changed => {
                damaged(file, &format!("row {seq} of `annotations` was changed after it was stored"))
            }
        })?;
        if builder.len() >= slice {
            visit(std::mem::take(&mut builder))?;
        }
    }
    if builder.len() > 0 { visit(builder) } else { Ok(()) }
}

enum Unreadable {
    Sqlite(rusqlite::Error),
    Row(Error),
    Changed,
}

impl From<rusqlite::Error> for Unreadable {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<rusqlite::types::FromSqlError> for Unreadable {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Sqlite(error.into())
    }
}

fn push(builder: &mut ColumnsBuilder, row: &SqlRow<'_>, annotator: Digest, file: &Path) -> Result<(), Unreadable> {
    let item = row.get_ref(1)?.as_str()?;
    let content = digest(row, 2, file).map_err(Unreadable::Row)?;
    let answer = row.get_ref(14)?.as_str()?;
    let evidence = row.get_ref(16)?.as_str_or_null()?;
    let distribution: Option<Vec<(crate::task::Name, f32)>> = match row.get_ref(15)?.as_str_or_null()? {
        None => None,
        Some(text) => Some(serde_json::from_str(text).map_err(|_| Unreadable::Changed)?),
    };
    let number = |column: usize| row.get::<_, i64>(column).map(|number| number as u64);
    let cost = Cost {
        money_micros: number(8)?,
        person_millis: number(9)?,
        input_tokens: number(10)?,
        output_tokens: number(11)?,
    };
    let (status, seed) = (row.get(3)?, number(6)?);
    let (confidence, inclusion_probability) = (row.get::<_, Option<f64>>(7)?.map(|value| value as f32), row.get(13)?);
    let suggestion_shown = row.get(12)?;
    let said = Said {
        annotator,
        answer,
        status,
        confidence,
        distribution: distribution.as_deref(),
        cost,
        seed,
        evidence,
        suggestion_shown,
        inclusion_probability,
    };
    if row_digest(item, content, said.digest(&mut Vec::new())) != digest(row, 4, file).map_err(Unreadable::Row)? {
        return Err(Unreadable::Changed);
    }
    let weights: Vec<f32> = distribution.iter().flatten().map(|(_, weight)| *weight).collect();
    let labels = match &distribution {
        Some(distribution) => builder.labels_code(&labels_text(distribution.iter().map(|(label, _)| label.as_ref()))),
        None => NONE,
    };
    let (answer, evidence) = (builder.answer_text_code(answer), builder.evidence_code(evidence));
    builder.push_row(&Row {
        item,
        content,
        answer,
        status,
        confidence,
        distribution: distribution.is_some().then_some((labels, weights.as_slice())),
        evidence,
        cost,
        at_millis: row.get(5)?,
        seed,
        suggestion_shown,
        inclusion_probability,
    });
    Ok(())
}
