//! The browser of Postil: a local server where people label blind gold, check what a run doubts, and decide where others
//! differ.
//!
//! ```
//! use postil_review::{Server, Serving, Workplace};
//!
//! fn serve(place: Workplace) -> postil_core::Result<()> {
//!     let server = Server::open(place, Serving::default())?;
//!     server.run(&|address| eprintln!("http://{address}/"))
//! }
//! ```
//!
//! An answer goes straight to the project's ledger and is acknowledged when it is on disk. Everything the server knows
//! beside that, it reads from the ledger when it starts, and from the files of the last run:
//!
//! ```text
//! source ──▶ items (a file of their own, an index in memory) ─┐
//! last run ──▶ suggestions ───────────────────────────────────┼──▶ room ──▶ http ◀── browser
//! ledger ──▶ desks (who said what, who holds what) ───────────┘      │
//!    ▲────────────────────── one answer, one row ────────────────────┘
//! ```
//!
//! `openapi.json` describes what can be asked for.

mod answers;
mod check;
mod desk;
mod exchange;
mod failure;
mod guidelines;
mod http;
mod items;
mod live;
mod machines;
mod markdown;
mod people;
mod record;
mod room;
mod same;
mod session;
mod suggest;
mod train;
mod wire;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use postil_core::items::PairColumns;
use postil_core::text::Tokenizer;
use postil_core::{LinkKind, Task, TaskKind};
use serde_json::Value;

pub use http::{Server, Stopper};
pub use record::{DESK, Desk};
pub use wire::Role;

/// What people work on.
#[derive(Clone, Debug)]
pub struct Workplace {
    /// The project's name.
    pub name: String,
    /// What is asked.
    pub task: Task,
    /// In a task of tags: what the tags are.
    pub layer: Option<String>,
    /// In a task of spans: whether spans of different labels may overlap.
    pub overlapping: bool,
    /// In a task of spans: the kinds of links between them.
    pub links: Vec<LinkKind>,
    /// In a task of records: the JSON schema of a record.
    pub schema: Option<Value>,
    /// In a task of pairs: whether neither may be better.
    pub ties: bool,
    /// The items' file.
    pub items: PathBuf,
    /// Its columns.
    pub columns: Columns,
    /// The folder of the ledger.
    pub ledger: PathBuf,
    /// The folder of the last run's files.
    pub output: PathBuf,
    /// The file of the guidelines.
    pub guidelines: Option<PathBuf>,
    /// The project file; an example that is added to a project without guidelines is named in it.
    pub project_file: PathBuf,
    /// The purpose under which draws of gold stand in the ledger.
    pub gold_purpose: &'static str,
    /// The purpose under which draws of sentences stand in the ledger, each under the name of its part.
    pub sentence_purpose: &'static str,
    /// Items whose gold label stands in a file, with its inclusion probability if it says.
    pub known_gold: Vec<(String, Option<f64>)>,
    /// The most minutes that people may spend.
    pub person_minutes: Option<f64>,
    /// The most money that may be spent.
    pub money: Option<f64>,
    /// The seed of everything random.
    pub seed: u64,
}

impl Workplace {
    /// Whether the sides of a pair are shown in the other order to this person; a coin of the seed.
    pub(crate) fn swaps(&self, person: &str, item: &str) -> bool {
        if self.task.kind != TaskKind::Pairs {
            return false;
        }
        let parts = [b"order of sides".as_slice(), &self.seed.to_le_bytes(), person.as_bytes(), item.as_bytes()];
        postil_core::Digest::of_parts(parts).to_u64() & 1 == 1
    }
}

/// The columns of the items' file.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    /// The text; in a task of pairs what both sides reply to, empty if that is nothing.
    pub text: String,
    /// Columns that together are the text, instead of one.
    pub join: Vec<String>,
    /// The id, if there is one.
    pub id: Option<String>,
    /// The tokens, if they come with the texts.
    pub tokens: Option<String>,
    /// How texts are cut into tokens otherwise.
    pub tokenizer: Tokenizer,
    /// In a task of pairs: both sides.
    pub sides: Option<PairColumns>,
    /// Columns that are not shown, such as known labels.
    pub hidden: Vec<String>,
}

/// How the server is reached.
#[derive(Clone, Debug)]
pub struct Serving {
    /// The address; anything but a loopback address asks everybody for a personal link.
    pub address: IpAddr,
    /// The port; 0 takes a free one.
    pub port: u16,
    /// Further names by which browsers may know this server.
    pub hosts: Vec<String>,
    /// The name of the local owner.
    pub owner: String,
    /// How many people answer each item.
    pub overlap: usize,
    /// Whether a model is trained on people's answers as they come.
    pub train: bool,
    /// So long may a client take for the head of a request, for the next request, and to take anything of what it asked
    /// for; twice as long for a whole request, and twenty times as long for a project that is taken over.
    pub patience: Duration,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            hosts: Vec::new(),
            owner: "me".to_owned(),
            overlap: 1,
            train: true,
            patience: Duration::from_secs(30),
        }
    }
}

impl Serving {
    pub(crate) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

/// Milliseconds since 1970; only ever stored beside an answer, never part of a result.
pub(crate) fn now_millis() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
