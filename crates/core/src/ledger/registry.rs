//! The annotators that the ledger knows.

use std::path::Path;
use std::sync::{PoisonError, RwLock};

use rusqlite::{Connection, params};

use super::fingerprint::FoldMap;
use super::schema::{damaged, sqlite_error};
use crate::annotation::{AnnotatorIdentity, AnnotatorKind};
use crate::error::{Error, Result};
use crate::hash::Digest;

/// An annotator as it was registered: who it is, and the settings that its version stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredAnnotator {
    /// Name, kind and version.
    pub identity: AnnotatorIdentity,
    /// Everything a reader needs to understand or repeat its answers.
    pub config: serde_json::Value,
    /// When it was registered, in milliseconds since 1970 (UTC).
    pub registered_at_millis: i64,
}

/// The registered annotators of the one writer, kept in memory to check what is appended.
#[derive(Default)]
pub(super) struct Registry(RwLock<FoldMap<Digest, (i64, AnnotatorIdentity)>>);

impl Registry {
    pub(super) fn load(connection: &Connection, file: &Path) -> Result<Self> {
        let known = read(connection, file)?;
        Ok(Self(RwLock::new(
            known
                .into_iter()
                .map(|(id, registered)| (registered.identity.version, (id, registered.identity)))
                .collect(),
        )))
    }

    pub(super) fn insert(&self, id: i64, identity: AnnotatorIdentity) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(identity.version, (id, identity));
    }

    pub(super) fn find(&self, version: Digest) -> Option<(i64, AnnotatorIdentity)> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(&version).cloned()
    }

    /// The number and kind of a version, or an error that says it is unknown.
    pub(super) fn expect(&self, version: Digest) -> Result<(i64, AnnotatorKind)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(&version).map(|(id, identity)| (*id, identity.kind)).ok_or_else(|| unknown(version))
    }
}

pub(super) fn unknown(version: Digest) -> Error {
    Error::ledger(format!("expected a registered annotator, found the unknown version {version}"))
        .hint("register an annotator before its answers are appended or asked for")
}

/// Every registered annotator, oldest first.
pub(super) fn read(connection: &Connection, file: &Path) -> Result<Vec<(i64, RegisteredAnnotator)>> {
    type Stored = (i64, [u8; 16], String, String, String, i64);
    let fail = |error| sqlite_error(file, "annotators cannot be read", error);
    let mut statement = connection
        .prepare_cached("SELECT id, version, name, kind, config, registered_at FROM annotators ORDER BY id")
        .map_err(fail)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?)))
        .map_err(fail)?;
    let mut annotators = Vec::new();
    for row in rows {
        let (id, version, name, kind, config, registered_at_millis): Stored = row.map_err(fail)?;
        let kind = AnnotatorKind::deserialize_name(&kind)
            .ok_or_else(|| damaged(file, &format!("annotator `{name}` has the unknown kind `{kind}`")))?;
        let config = serde_json::from_str(&config)
            .map_err(|error| damaged(file, &format!("the settings of `{name}` are not JSON")).because(error))?;
        let identity = AnnotatorIdentity { name: name.into(), kind, version: Digest::from_bytes(version) };
        annotators.push((id, RegisteredAnnotator { identity, config, registered_at_millis }));
    }
    Ok(annotators)
}

/// Stores an annotator and returns its number.
pub(super) fn insert(connection: &Connection, annotator: &RegisteredAnnotator) -> rusqlite::Result<i64> {
    let identity = &annotator.identity;
    connection
        .prepare_cached(
            "INSERT INTO annotators (version, name, kind, config, registered_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            identity.version.as_bytes(),
            &*identity.name,
            identity.kind.name(),
            annotator.config.to_string(),
            annotator.registered_at_millis,
        ])?;
    Ok(connection.last_insert_rowid())
}

impl AnnotatorKind {
    fn deserialize_name(name: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(name.to_owned())).ok()
    }
}
