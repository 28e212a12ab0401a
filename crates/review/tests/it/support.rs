//! A server over a project in a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use postil_core::{Label, LabelSet, Task, TaskKind};
use postil_review::{Columns, Role, Server, Serving, Stopper, Workplace};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;

/// A project that can be served, again and again.
pub(crate) struct Project {
    folder: TempDir,
    pub(crate) place: Workplace,
}

/// A server that runs until it is dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stopper.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Running {
    /// The local owner.
    pub(crate) fn owner(&self) -> Client {
        Client::new(self.address)
    }

    /// A person with a role, invited by the owner.
    pub(crate) fn person(&self, name: &str, role: &str) -> Client {
        let invited = self.owner().post("/api/people", &json!({ "name": name, "role": role }));
        Client::with_token(self.address, invited["token"].as_str().unwrap())
    }
}

impl Project {
    /// A project over items given as JSON lines.
    pub(crate) fn new(kind: TaskKind, labels: &[&str], items: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lines: Vec<String> = items.iter().map(ToString::to_string).collect();
        let path = folder.path().join("items.jsonl");
        std::fs::write(&path, lines.join("\n")).unwrap();
        let labels = labels.iter().map(|name| Label { name: (*name).into(), parent: None, definition: None });
        let task = Task { kind, labels: LabelSet::new(labels.collect()).unwrap(), guidelines: None };
        let project_file = folder.path().join("postil.toml");
        std::fs::write(&project_file, "[task]\nkind = \"classify\"\n").unwrap();
        let place = Workplace {
            name: "test".to_owned(),
            task,
            layer: None,
            overlapping: false,
            links: Vec::new(),
            schema: None,
            ties: true,
            items: path,
            columns: Columns { text: "text".to_owned(), id: Some("id".to_owned()), ..Columns::default() },
            ledger: folder.path().join("ledger"),
            output: folder.path().join("out"),
            guidelines: None,
            project_file,
            gold_purpose: "gold",
            sentence_purpose: "gold sentences",
            known_gold: Vec::new(),
            person_minutes: None,
            money: None,
            seed: 7,
        };
        Self { folder, place }
    }

    /// Texts to classify as `bug` or `praise`.
    pub(crate) fn tickets(count: usize) -> Self {
        let items: Vec<Value> = (0..count)
            .map(|number| json!({ "id": format!("t{number}"), "text": format!("ticket {number}") }))
            .collect();
        Self::new(TaskKind::Classify, &["bug", "praise"], &items)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn serve(&self) -> Running {
        self.serve_as(Serving::default())
    }

    pub(crate) fn serve_as(&self, serving: Serving) -> Running {
        self.serve_and_invite(serving, None).0
    }

    /// Serves, and makes a link before anybody can ask.
    pub(crate) fn serve_and_invite(&self, serving: Serving, invited: Option<(&str, Role)>) -> (Running, String) {
        let server = Server::open(self.place.clone(), serving).unwrap();
        let (address, stopper) = (server.address(), server.stopper());
        let link = invited.map_or_else(String::new, |(name, role)| server.invite(name, role).unwrap());
        let thread = std::thread::spawn(move || server.run(&|_| ()).unwrap());
        (Running { address, stopper, thread: Some(thread) }, link)
    }
}

/// The ids of leased work.
pub(crate) fn ids(leased: &Value) -> Vec<String> {
    leased["work"].as_array().unwrap().iter().map(|work| work["item"].as_str().unwrap().to_owned()).collect()
}
