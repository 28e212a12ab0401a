//! Draws with known probability, and what happened: rows that are neither annotators nor annotations.

use std::path::Path;

use rusqlite::{Connection, params};

use super::schema::{damaged, sqlite_error};
use crate::error::{Error, Result};
use crate::hash::Digest;
use crate::item::ItemId;

/// An item that was drawn at random. The probability cannot be reconstructed later, so it is stored with the draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Draw {
    /// The item.
    pub item: ItemId,
    /// The digest of its content when it was drawn.
    pub content: Digest,
    /// The probability with which this item came into the draw, above 0 and at most 1.
    pub inclusion_probability: f64,
    /// The stratum it was drawn from, if there were strata.
    pub stratum: Option<String>,
    /// The seed of the draw.
    pub seed: u64,
    /// What it was drawn for, such as `gold`.
    pub purpose: String,
    /// When, in milliseconds since 1970 (UTC).
    pub at_millis: i64,
}

/// Something worth remembering that is not an annotation: a run, a decision, a stop.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// What happened, in one word.
    pub kind: String,
    /// The particulars.
    pub detail: serde_json::Value,
    /// When, in milliseconds since 1970 (UTC).
    pub at_millis: i64,
}

pub(super) fn check_draw(draw: &Draw) -> Result<()> {
    let probability = draw.inclusion_probability;
    if probability > 0.0 && probability <= 1.0 {
        return Ok(());
    }
    Err(Error::ledger(format!("expected an inclusion probability above 0 and at most 1, found {probability}"))
        .for_item(draw.item.as_ref()))
}

pub(super) fn insert_draws(connection: &Connection, draws: &[Draw]) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO draws (item, content, inclusion_probability, stratum, seed, purpose, at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    for draw in draws {
        statement.execute(params![
            &*draw.item,
            draw.content.as_bytes(),
            draw.inclusion_probability,
            draw.stratum,
            draw.seed as i64,
            draw.purpose,
            draw.at_millis,
        ])?;
    }
    Ok(())
}

pub(super) fn read_draws(connection: &Connection, file: &Path, purpose: &str) -> Result<Vec<Draw>> {
    let read = || -> rusqlite::Result<Vec<Draw>> {
        connection
            .prepare_cached(
                "SELECT item, content, inclusion_probability, stratum, seed, purpose, at FROM draws
                 WHERE purpose = ?1 ORDER BY id",
            )?
            .query_map([purpose], |row| {
                Ok(Draw {
                    item: row.get::<_, String>(0)?.into(),
                    content: Digest::from_bytes(row.get(1)?),
                    inclusion_probability: row.get(2)?,
                    stratum: row.get(3)?,
                    seed: row.get::<_, i64>(4)? as u64,
                    purpose: row.get(5)?,
                    at_millis: row.get(6)?,
                })
            })?
            .collect()
    };
    read().map_err(|error| sqlite_error(file, "draws cannot be read", error))
}

pub(super) fn insert_event(connection: &Connection, event: &Event) -> rusqlite::Result<()> {
    connection.prepare_cached("INSERT INTO events (kind, detail, at) VALUES (?1, ?2, ?3)")?.execute(params![
        event.kind,
        event.detail.to_string(),
        event.at_millis
    ])?;
    Ok(())
}

pub(super) fn read_events(connection: &Connection, file: &Path) -> Result<Vec<Event>> {
    let read = || -> rusqlite::Result<Vec<(String, String, i64)>> {
        connection
            .prepare_cached("SELECT kind, detail, at FROM events ORDER BY id")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect()
    };
    let rows = read().map_err(|error| sqlite_error(file, "events cannot be read", error))?;
    rows.into_iter()
        .map(|(kind, detail, at_millis)| {
            let detail = serde_json::from_str(&detail)
                .map_err(|error| damaged(file, &format!("an event `{kind}` is not JSON")).because(error))?;
            Ok(Event { kind, detail, at_millis })
        })
        .collect()
}
