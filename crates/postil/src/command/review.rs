//! `postil review`

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context;
use postil_core::{Error, TaskKind};
use postil_review::{Columns, Role, Server, Serving, Workplace};

use super::output::{remark, say};
use crate::project::{FILE_NAME, ForPeople, Project, propose_for_people};
use crate::run::{GOLD, GOLD_SENTENCES, gold_items, write_whole};

/// Taken if it is free and no port was asked for: the page keeps its address from day to day.
const USUAL_PORT: u16 = 7433;

/// Columns with these names are not shown: what they say would be copied.
const TELLING: [&str; 9] = ["label", "labels", "gold", "answer", "answers", "truth", "target", "class", "category"];

/// What can be typed after `postil review`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The project (a folder with a postil.toml, or the file itself), or a data file to label: a project file is then
    /// written beside it
    #[arg(default_value = ".")]
    project: PathBuf,
    /// With a data file: the labels, separated by commas; of an ordered scale the lowest first
    #[arg(long, value_name = "A,B,C", value_delimiter = ',')]
    labels: Vec<String>,
    /// With a data file: what is asked [default: classify]
    #[arg(long, value_name = "KIND", value_parser = kinds())]
    kind: Option<String>,
    /// With a data file: the column of the text
    #[arg(long, value_name = "COLUMN")]
    text: Option<String>,
    /// With a data file: the column of the id
    #[arg(long, value_name = "COLUMN")]
    id: Option<String>,
    /// With a data file of pairs: the column of the first side
    #[arg(long, value_name = "COLUMN", requires = "right")]
    left: Option<String>,
    /// With a data file of pairs: the column of the second side
    #[arg(long, value_name = "COLUMN", requires = "left")]
    right: Option<String>,
    /// With a data file of pairs: the column of what both sides reply to
    #[arg(long, value_name = "COLUMN")]
    prompt: Option<String>,
    /// With a data file of records: the file of a record's JSON schema
    #[arg(long, value_name = "FILE")]
    schema: Option<PathBuf>,
    /// The port; 0 takes a free one [default: 7433, or a free one]
    #[arg(long)]
    port: Option<u16>,
    /// The address to listen on; on any but a loopback address everybody needs a personal link
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// Another name by which browsers reach this server, such as that of a proxy
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// Your name in the ledger [default: the name of this account]
    #[arg(long = "as", value_name = "NAME")]
    owner: Option<String>,
    /// How many people answer each item
    #[arg(long, value_name = "N", default_value_t = 1)]
    overlap: usize,
    /// Do not open a browser
    #[arg(long)]
    no_open: bool,
    /// Do not train a model on the answers as they come
    #[arg(long)]
    no_train: bool,
}

fn kinds() -> clap::builder::PossibleValuesParser {
    clap::builder::PossibleValuesParser::new(TaskKind::ALL.map(TaskKind::name))
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let project = open(arguments)?;
    let serving = Serving {
        address: arguments.address,
        port: arguments.port.unwrap_or(USUAL_PORT),
        hosts: arguments.hosts.clone(),
        owner: owner(arguments),
        overlap: arguments.overlap,
        train: !arguments.no_train,
        ..Serving::default()
    };
    let server = start(&workplace(&project)?, &serving, arguments.port.is_none())?;
    let address = server.address();
    let shown = if address.ip().is_unspecified() {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port())
    } else {
        address
    };
    let mut page = format!("http://{shown}/");
    if !address.ip().is_loopback() {
        let path = server.invite(&serving.owner, Role::Own)?;
        page = format!("http://{shown}{path}");
        remark("note: everybody who can reach this address can try to come in; only people with a link are let in");
    }
    let stopper = server.stopper();
    ctrlc::set_handler(move || stopper.stop()).context("the signal to stop cannot be caught")?;
    let open_browser = !arguments.no_open;
    server.run(&|_| {
        // Whoever reads this may have gone; the server serves all the same.
        let _ = say(&format!("review: {page}\nEvery answer is saved at once. Ctrl-C ends it."));
        if open_browser {
            browse(&page);
        }
    })?;
    Ok(())
}

/// The project, which a data file gets if it has none.
fn open(arguments: &Arguments) -> anyhow::Result<Project> {
    let path = &arguments.project;
    let is_data = path.is_file() && path.extension().is_none_or(|ending| ending != "toml");
    if !is_data {
        let named = [&arguments.text, &arguments.id, &arguments.left, &arguments.prompt, &arguments.kind];
        if !arguments.labels.is_empty() || named.iter().any(|one| one.is_some()) || arguments.schema.is_some() {
            anyhow::bail!(
                Error::task("expected a data file for these options, found a project")
                    .in_file(path)
                    .hint("what is asked stands in its postil.toml")
            );
        }
        return Ok(Project::open(path)?);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let file = folder.join(FILE_NAME);
    let file_name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let kind = match arguments.kind.as_deref() {
        None => TaskKind::Classify,
        Some(name) => TaskKind::ALL.into_iter().find(|kind| kind.name() == name).unwrap_or(TaskKind::Classify),
    };
    if file.exists() {
        let project = Project::open(&file)?;
        let same = project.items.file_name() == path.file_name();
        let labels = project.task.labels.names().map(ToString::to_string).collect::<Vec<_>>();
        let as_asked = arguments.labels.is_empty() || arguments.labels == labels;
        if same && as_asked && arguments.kind.as_ref().is_none_or(|_| project.task.kind == kind) {
            return Ok(project);
        }
        anyhow::bail!(
            Error::task("expected a folder without a project for other data or labels, found one")
                .in_file(&file)
                .hint("open it with `postil review` alone, change its file, or copy the data into another folder")
        );
    }
    let schema = arguments.schema.as_deref().map(|schema| schema_of(schema, folder)).transpose()?;
    let labels = match (kind, &schema) {
        (TaskKind::Pairs, _) if arguments.labels.is_empty() => ["left", "right", "tie"].map(str::to_owned).to_vec(),
        (TaskKind::Extract, Some((_, fields))) => fields.clone(),
        (TaskKind::Extract, None) => anyhow::bail!(
            Error::task("expected the schema of a record, found none").hint("name its file with `--schema FILE`")
        ),
        _ => arguments.labels.iter().map(|label| label.trim().to_owned()).filter(|label| !label.is_empty()).collect(),
    };
    if labels.is_empty() {
        anyhow::bail!(Error::task("expected labels, found none").hint("name them: `--labels bug,praise`"));
    }
    let wish = ForPeople {
        kind,
        labels: &labels,
        text: arguments.text.as_deref(),
        id: arguments.id.as_deref(),
        sides: arguments.left.as_deref().zip(arguments.right.as_deref()),
        prompt: arguments.prompt.as_deref(),
        schema: schema.as_ref().map(|(name, _)| name.as_str()),
    };
    let text = propose_for_people(path, &file_name, &wish)?;
    // Read before it is written: a file that cannot be opened again would be in the way.
    let project = Project::parse(&text, folder)?;
    write_whole(&file, text.as_bytes())?;
    remark(&format!("written: {}", file.display()));
    Ok(project)
}

/// A schema's file as seen from the project, and the names of a record's fields.
fn schema_of(schema: &Path, folder: &Path) -> anyhow::Result<(String, Vec<String>)> {
    let value = read_schema(schema)?;
    let fields = value["properties"].as_object().map(|fields| fields.keys().cloned().collect::<Vec<_>>());
    let fields = fields.filter(|fields| !fields.is_empty()).ok_or_else(|| {
        Error::task("expected a JSON schema of an object with `properties`, found another").in_file(schema)
    })?;
    let absolute = schema.canonicalize().with_context(|| format!("{} cannot be found", schema.display()))?;
    let inside =
        folder.canonicalize().ok().and_then(|folder| absolute.strip_prefix(folder).ok().map(Path::to_path_buf));
    Ok((inside.unwrap_or(absolute).to_string_lossy().into_owned(), fields))
}

fn read_schema(path: &Path) -> anyhow::Result<serde_json::Value> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::io(format!("the schema cannot be read: {error}"), error).in_file(path))?;
    Ok(serde_json::from_str(&text)
        .map_err(|error| Error::task(format!("expected a JSON schema, found: {error}")).in_file(path))?)
}

fn workplace(project: &Project) -> anyhow::Result<Workplace> {
    if project.items == Path::new("-") {
        anyhow::bail!(
            Error::task("expected a file in `data.items`, found `-`")
                .hint("people need their items more than once: save them to a file first")
        );
    }
    let hidden = TELLING.iter().map(|&name| name.to_owned()).chain(project.gold_label.clone()).collect();
    let budget = project.budget;
    Ok(Workplace {
        name: project.name.clone(),
        task: project.task.clone(),
        layer: (project.task.kind == TaskKind::Tag).then(|| project.layer.clone()),
        overlapping: project.overlapping,
        links: project.links.clone(),
        schema: project.schema.as_deref().map(read_schema).transpose()?,
        ties: project.task.labels.class("tie").is_some(),
        items: project.items.clone(),
        columns: Columns {
            text: project.text.clone(),
            id: project.id.clone(),
            tokens: project.tokens.clone(),
            tokenizer: project.tokenizer,
            join: project.join.clone(),
            sides: project.pairs.as_ref().map(|pairs| pairs.texts.clone()),
            hidden,
        },
        ledger: project.ledger(),
        output: project.output.clone(),
        guidelines: project.guidelines.clone(),
        project_file: project.folder.join(FILE_NAME),
        gold_purpose: GOLD,
        sentence_purpose: GOLD_SENTENCES,
        known_gold: gold_items(project)?,
        person_minutes: budget.and_then(|budget| budget.person_minutes),
        money: budget.and_then(|budget| budget.money),
        seed: project.seed,
    })
}

/// Starts on the usual port, or on a free one if another program has it and no port was asked for.
fn start(place: &Workplace, serving: &Serving, usual: bool) -> postil_core::Result<Server> {
    let taken = usual && std::net::TcpListener::bind((serving.address, serving.port)).is_err();
    let port = if taken { 0 } else { serving.port };
    Server::open(place.clone(), Serving { port, ..serving.clone() })
}

fn owner(arguments: &Arguments) -> String {
    let account = || ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok());
    arguments.owner.clone().or_else(account).filter(|name| !name.trim().is_empty()).unwrap_or_else(|| "me".to_owned())
}

/// Opens the page in a browser, if there is one.
fn browse(page: &str) {
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _ = Command::new(opener).arg(page).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}
