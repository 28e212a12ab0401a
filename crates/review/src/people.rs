//! Who may come in: personal links, of which only digests are kept.
//!
//! Invitations are events of the ledger. A token is 32 random bytes; its BLAKE3 digest is stored, and compared in constant
//! time with every one that is valid.

use std::fmt::Write;

use postil_core::ledger::{Event, Ledger};
use postil_core::{Error, Name, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::wire::Role;

/// The kind of the events.
const INVITATION: &str = "review invitation";
/// The longest name, in characters.
const LONGEST_NAME: usize = 80;

/// A person with a link.
#[derive(Clone, Debug)]
pub(crate) struct Invited {
    pub(crate) name: Name,
    pub(crate) role: Role,
    pub(crate) made: i64,
    pub(crate) revoked: bool,
    pub(crate) seen: Option<i64>,
    token: Option<blake3::Hash>,
}

#[derive(Serialize, Deserialize)]
struct Invitation {
    name: String,
    role: Role,
    /// The digest of the token; none takes the link away.
    token: Option<String>,
}

/// Everybody with a link.
#[derive(Default)]
pub(crate) struct People {
    all: Vec<Invited>,
}

impl People {
    /// Reads the invitations out of the ledger.
    pub(crate) fn read(ledger: &Ledger) -> Result<Self> {
        let mut people = Self::default();
        for event in ledger.events()? {
            if event.kind != INVITATION {
                continue;
            }
            let invitation: Invitation = serde_json::from_value(event.detail).map_err(|error| {
                Error::ledger("expected an invitation in an event, found something else").because(error)
            })?;
            people.take(&invitation, event.at_millis);
        }
        Ok(people)
    }

    fn take(&mut self, invitation: &Invitation, at: i64) {
        let token = invitation.token.as_deref().and_then(|token| blake3::Hash::from_hex(token).ok());
        let person = Invited {
            name: invitation.name.as_str().into(),
            role: invitation.role,
            made: at,
            revoked: token.is_none(),
            seen: None,
            token,
        };
        match self.all.iter_mut().find(|one| *one.name == *invitation.name) {
            Some(known) => *known = person,
            None => self.all.push(person),
        }
    }

    pub(crate) fn all(&self) -> &[Invited] {
        &self.all
    }

    /// Makes a link for a person and returns its token; an earlier one of the same name no longer works.
    pub(crate) fn invite(&mut self, ledger: &Ledger, name: &str, role: Role, now: i64) -> Result<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| Error::unavailable(format!("the system gives no random numbers: {error}")))?;
        let token = bytes.iter().fold(String::new(), |mut token, byte| {
            let _ = write!(token, "{byte:02x}");
            token
        });
        let digest = blake3::hash(token.as_bytes()).to_hex().to_string();
        self.store(ledger, &Invitation { name: name.to_owned(), role, token: Some(digest) }, now)?;
        Ok(token)
    }

    /// Takes a person's link away; false if there is none.
    pub(crate) fn revoke(&mut self, ledger: &Ledger, name: &str, now: i64) -> Result<bool> {
        let Some(known) = self.all.iter().find(|one| *one.name == *name && !one.revoked) else { return Ok(false) };
        let invitation = Invitation { name: name.to_owned(), role: known.role, token: None };
        self.store(ledger, &invitation, now)?;
        Ok(true)
    }

    fn store(&mut self, ledger: &Ledger, invitation: &Invitation, now: i64) -> Result<()> {
        ledger.record_event(Event { kind: INVITATION.to_owned(), detail: json!(invitation), at_millis: now })?;
        self.take(invitation, now);
        Ok(())
    }

    /// Whose token this is. Every valid one is compared, and each in constant time.
    pub(crate) fn find(&mut self, token: &str, now: i64) -> Option<(Name, Role)> {
        let digest = blake3::hash(token.as_bytes());
        let mut found = None;
        for person in &mut self.all {
            // `Hash` compares in constant time.
            if person.token.is_some_and(|known| known == digest) {
                person.seen = Some(now);
                found = Some((person.name.clone(), person.role));
            }
        }
        found
    }
}

/// A person's name as it is kept, or why it cannot be one.
pub(crate) fn check_name(name: &str) -> Result<&str> {
    let name = name.trim();
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME {
        return Err(Error::task(format!("expected a name of 1 to {LONGEST_NAME} characters, found {length}")));
    }
    if name.chars().any(char::is_control) {
        return Err(Error::task("expected a name without control characters"));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use postil_core::ledger::Access;

    use super::*;

    #[test]
    fn links_work_until_they_are_replaced_or_revoked_and_are_nowhere_in_the_ledger() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), Access::Write).unwrap();
        let mut people = People::default();
        let first = people.invite(&ledger, "ann", Role::Annotate, 1).unwrap();
        let second = people.invite(&ledger, "ann", Role::Review, 2).unwrap();
        let other = people.invite(&ledger, "bob", Role::Own, 3).unwrap();
        assert_ne!(first, second);
        assert_eq!(people.find(&first, 4), None);
        assert_eq!(people.find(&second, 4), Some(("ann".into(), Role::Review)));
        assert!(people.revoke(&ledger, "bob", 5).unwrap() && !people.revoke(&ledger, "bob", 5).unwrap());
        assert_eq!(people.find(&other, 6), None);

        let mut again = People::read(&ledger).unwrap();
        assert_eq!(again.find(&second, 7), Some(("ann".into(), Role::Review)));
        assert_eq!((again.find(&first, 7), again.find(&other, 7), again.find("", 7)), (None, None, None));
        let stored: String = ledger.events().unwrap().iter().map(|event| event.detail.to_string()).collect();
        assert!(!stored.contains(&second) && !stored.contains(&other));
    }

    #[test]
    fn names_are_short_and_printable() {
        assert_eq!(check_name(" Ann <b> ").unwrap(), "Ann <b>");
        assert!(check_name("").is_err() && check_name("a\nb").is_err() && check_name(&"x".repeat(81)).is_err());
    }
}
