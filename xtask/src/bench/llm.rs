//! Benches of asking language models: a server of made-up answers in a process of its own, and the real binary as its
//! client.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use postil_core::Random;
use postil_core::ledger::{Access, Ledger};
use serde_json::{Value, json};

use super::files::path;
use super::{Usage, build, release, report, usage_of};

/// How long a run may go without a request.
const PATIENCE: Duration = Duration::from_mins(5);

/// Price of both directions, in millionths of the currency per token.
const PRICE: u64 = 1;

/// A server of made-up answers. It ends when dropped.
struct Mimic {
    process: Child,
    url: String,
}

impl Mimic {
    fn start(port: u16, faults: &str, log: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(release("postil-mimic"));
        command.args(["--made-up", "--print-url", "--port", &port.to_string()]).stdout(Stdio::piped());
        if !faults.is_empty() {
            command.args(["--faults", faults]);
        }
        if let Some(log) = log {
            command.arg("--log").arg(log);
        }
        let mut process = command.spawn().context("the server cannot be started")?;
        let mut url = String::new();
        let out = process.stdout.take().context("the server has no output")?;
        BufReader::new(out).read_line(&mut url)?;
        url.truncate(url.trim_end().len());
        let server = Self { process, url };
        ensure!(server.url.starts_with("http://"), "the server printed {:?} instead of its address", server.url);
        Ok(server)
    }

    fn address(&self) -> &str {
        self.url.trim_start_matches("http://").trim_end_matches("/v1")
    }

    fn port(&self) -> Result<u16> {
        self.address().rsplit(':').next().and_then(|port| port.parse().ok()).context("no port")
    }

    fn counters(&self) -> Result<Value> {
        let mut stream = TcpStream::connect(self.address())?;
        stream.write_all(b"GET /counters HTTP/1.1\r\nConnection: close\r\n\r\n")?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        let (_, body) = response.split_once("\r\n\r\n").context("no body")?;
        Ok(serde_json::from_str(body)?)
    }

    /// CPU seconds so far, in ticks of a hundredth.
    fn cpu_seconds(&self) -> Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.process.id()))?;
        let after = text.rsplit_once(')').context("no name")?.1;
        let fields: Vec<f64> =
            after.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
        Ok(fields.iter().sum::<f64>() / 100.0)
    }
}

impl Drop for Mimic {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A project of generated items that one model labels.
fn project(folder: &Path, items: usize, url: &str, settings: &str, end: &str) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut random = Random::new(7);
    let words = ["the", "invoice", "app", "crashes", "thanks", "late", "order", "login", "again", "since", "update"];
    let mut text = String::from("id,text\n");
    for item in 0..items {
        let _ = write!(text, "t{item},Ticket {item}:");
        for _ in 0..12 {
            let _ = write!(text, " {}", words[random.below(words.len())]);
        }
        text.push('\n');
    }
    fs::write(folder.join("items.csv"), text)?;
    let file = format!(
        "[task]\nkind = \"classify\"\nlabels = [\"billing\", \"bug\", \"praise\", \"question\"]\n\n[data]\nitems = \
         \"items.csv\"\nid = \"id\"\ntext = \"text\"\n\n[[annotator]]\nname = \"model\"\nkind = \"llm\"\nendpoint = \
         \"{url}\"\nmodel = \"made-up\"\nprice = {{ input = {PRICE}.0, output = {PRICE}.0 }}\n{settings}\n{end}\n"
    );
    fs::write(folder.join("postil.toml"), file)?;
    Ok(())
}

/// Runs of a project against a server without faults, at a tenth of the items and at all of them (100,000 unless told),
/// each answered once. The second run of each size has nothing to ask: the difference is what asking costs.
pub(super) fn throughput(rest: &[&str]) -> Result<()> {
    let items: usize = rest.first().map_or(Ok(100_000), |text| text.parse()).context("expected a number of items")?;
    build(&["--package", "postil", "--package", "postil-mimic"])?;
    let folder = tempfile::tempdir()?;
    let mut sizes = Vec::new();
    let mut last: Option<Usage> = None;
    for items in [items / 10, items] {
        let server = Mimic::start(0, "", None)?;
        let place = folder.path().join(items.to_string());
        project(&place, items, &server.url, "concurrency = 64", "[student]\ntrain = false")?;
        let run = ["--threads", "1", "run", path(&place)?, "--json"];
        let first = usage_of(&release("postil"), &run)?;
        let server_cpu = server.cpu_seconds()?;
        let counters = server.counters()?;
        let [requests, distinct] = ["requests", "distinct"].map(|name| counters[name].as_u64().unwrap_or_default());
        ensure!(requests == items as u64 && distinct == requests, "expected {items} requests, found {counters}");
        let again = usage_of(&release("postil"), &["--threads", "1", "run", path(&place)?, "--fresh", "--json"])?;
        ensure!(server.counters()?["requests"] == counters["requests"], "the second run asked again");
        let asking = first.cpu_seconds - again.cpu_seconds;
        let journal = fs::metadata(place.join("ledger/calls.sqlite"))?.len();
        sizes.push(json!({
            "items": items,
            "requests_per_second": (items as f64 / first.wall_seconds).round(),
            "requests_per_cpu_second": (items as f64 / first.cpu_seconds).round(),
            "asking_cpu_seconds": super::round(asking),
            "requests_per_asking_cpu_second": (items as f64 / asking).round(),
            "peak_mb": super::round(first.peak_mb),
            "peak_mb_without_asking": super::round(again.peak_mb),
            "journal_bytes_per_request": journal / items as u64,
            "server_cpu_seconds": server_cpu,
            "most_at_once": counters["most_at_once"],
            "connections": counters["connections"],
        }));
        eprintln!("{}", sizes[sizes.len() - 1]);
        last = Some(first);
    }
    let usage = last.context("nothing was measured")?;
    report(items as u64, &usage, json!({ "sizes": sizes }));
    Ok(())
}

/// What the server's log says about one request.
struct Served {
    digest: String,
    connection: u64,
    number: u64,
    /// A reply that a client can use: answered, and spoiled by no fault.
    reply: bool,
    tokens: u64,
}

/// The server's log, read as it grows.
struct LogFile {
    file: BufReader<fs::File>,
    rest: String,
    served: Vec<Served>,
    /// The last request of each connection that has ended, and how.
    ends: HashMap<u64, (u64, bool)>,
    faults: BTreeMap<String, u64>,
}

impl LogFile {
    fn open(path: &Path) -> Result<Self> {
        let file = BufReader::new(fs::File::open(path)?);
        Ok(Self { file, rest: String::new(), served: Vec::new(), ends: HashMap::new(), faults: BTreeMap::new() })
    }

    fn read(&mut self) -> Result<()> {
        loop {
            if self.file.read_line(&mut self.rest)? == 0 || !self.rest.ends_with('\n') {
                return Ok(());
            }
            let line: Value = serde_json::from_str(&self.rest)?;
            self.rest.clear();
            let number = |name: &str| line[name].as_u64().with_context(|| format!("no {name} in the log"));
            if line["connection_ended"].is_u64() {
                self.ends.insert(number("connection_ended")?, (number("last")?, line["how"] == "broken"));
                continue;
            }
            let fault = line["fault"].as_str();
            if let Some(fault) = fault {
                *self.faults.entry(fault.to_owned()).or_default() += 1;
            }
            self.served.push(Served {
                digest: line["digest"].as_str().context("no digest in the log")?.to_owned(),
                connection: number("connection")?,
                number: number("number")?,
                reply: line["status"] == 200 && line["written"] == true && fault.is_none(),
                tokens: number("input_tokens")? + number("output_tokens")?,
            });
        }
    }

    /// The tokens of everything that was answered, spoiled or not: the most that a server could bill.
    fn billed(&self) -> u64 {
        self.served.iter().map(|served| served.tokens).sum()
    }
}

/// The requests whose replies are in a ledger's journal, by the digest that the server puts into each reply, and how
/// many replies each has. Read from a copy: what a killed process left is not touched.
fn kept(ledger: &Path, scratch: &Path) -> Result<HashMap<String, u64>> {
    let mut found = HashMap::new();
    if !ledger.join("calls.sqlite").exists() || !ledger.join("ledger.sqlite").exists() {
        return Ok(found);
    }
    let copy = scratch.join("copy");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    copy_folder(ledger, &copy)?;
    let ledger = Ledger::open(&copy, Access::Write)?;
    ledger.journal()?.replies(|_, reply| {
        let text = String::from_utf8_lossy(&reply.body);
        if let Some(digest) = text.split("\"chatcmpl-").nth(1).and_then(|rest| rest.split('"').next()) {
            *found.entry(digest.to_owned()).or_default() += 1;
        }
        Ok(())
    })?;
    Ok(found)
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// The files of a folder, by name.
fn contents(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned(), fs::read(entry.path())?);
        }
    }
    Ok(files)
}

fn spawn(project: &Path) -> Result<Child> {
    let mut command = Command::new(release("postil"));
    command.arg("run").arg(project).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().context("postil cannot be started")
}

fn finish(project: &Path) -> Result<()> {
    let output = Command::new(release("postil")).arg("run").arg(project).output()?;
    ensure!(output.status.success(), "the run failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// What a run with kills came to.
#[derive(Default)]
struct Killed {
    kills: u64,
    /// Kills before everything had been asked.
    while_asking: u64,
    /// The most requests that were bought again after one kill.
    most_again: u64,
    /// Requests that the server saw again although their reply was in the journal.
    kept_and_bought: u64,
    /// Requests that the server saw again although the process had read their reply, but not yet written it down.
    read_and_bought: u64,
    /// Replies written for a process that died before it read them.
    in_flight: u64,
    /// Replies that were in the journal after a kill and are not any more.
    lost: u64,
    billed: u64,
    requests: u64,
    distinct: u64,
    faults: BTreeMap<String, u64>,
}

/// A project that is run, killed and run again, and what is known about it.
struct Victim<'a> {
    project: &'a Path,
    server: &'a Mimic,
    file: LogFile,
    killed: Killed,
    /// The requests whose replies were in the journal after some kill.
    kept: HashSet<String>,
    /// The latest usable reply to each request: its connection and number.
    replies: HashMap<String, (u64, u64)>,
    /// How many lines of the log were judged.
    judged: usize,
}

impl<'a> Victim<'a> {
    fn new(project: &'a Path, server: &'a Mimic, log: &Path) -> Result<Self> {
        let (file, killed) = (LogFile::open(log)?, Killed::default());
        Ok(Self { project, server, file, killed, kept: HashSet::new(), replies: HashMap::new(), judged: 0 })
    }

    /// Starts a run, waits until the server has served so many requests in all and so much longer, and kills it. Whether
    /// it was alive.
    fn kill_at(&mut self, requests: usize, pause: Duration) -> Result<bool> {
        let mut process = spawn(self.project)?;
        let start = Instant::now();
        loop {
            self.file.read()?;
            if self.file.served.len() >= requests {
                thread::sleep(pause);
                break;
            }
            if process.try_wait()?.is_some() {
                break;
            }
            ensure!(start.elapsed() < PATIENCE, "no further requests: {}", self.server.counters()?);
            thread::sleep(Duration::from_millis(1));
        }
        let alive = process.try_wait()?.is_none();
        if alive {
            process.kill()?;
            self.killed.kills += 1;
        }
        process.wait()?;
        self.take_stock()?;
        Ok(alive)
    }

    /// Says how far it is.
    fn tell(&self) {
        let killed = &self.killed;
        eprintln!(
            "{} kills, {} requests: bought again {} from the journal, {} read and not yet kept; {} in flight; {} lost",
            killed.kills,
            self.file.served.len(),
            killed.kept_and_bought,
            killed.read_and_bought,
            killed.in_flight,
            killed.lost
        );
    }

    /// Compares the journal with what the server has seen.
    fn take_stock(&mut self) -> Result<()> {
        settle(self.server, &mut self.file)?;
        let scratch = tempfile::tempdir()?;
        let now = kept(&self.project.join("ledger"), scratch.path())?;
        self.killed.lost += self.kept.iter().filter(|digest| !now.contains_key(*digest)).count() as u64;
        self.judge();
        self.kept.extend(now.into_keys());
        Ok(())
    }

    /// Judges the replies that were served since the last time. A request whose reply was given before is bought again;
    /// why depends on what became of the first reply.
    fn judge(&mut self) {
        let mut again = 0;
        for served in &self.file.served[self.judged..] {
            if let Some((connection, number)) = self.replies.get(&served.digest) {
                again += 1;
                let unread = self.file.ends.get(connection).is_some_and(|(last, broken)| last == number && *broken);
                if self.kept.contains(&served.digest) {
                    self.killed.kept_and_bought += 1;
                } else if !unread {
                    self.killed.read_and_bought += 1;
                }
            }
            if served.reply {
                self.replies.insert(served.digest.clone(), (served.connection, served.number));
            }
        }
        self.killed.most_again = self.killed.most_again.max(again);
        let ends = &self.file.ends;
        let unread = |served: &&Served| served.reply && ends.get(&served.connection) == Some(&(served.number, true));
        self.killed.in_flight += self.file.served[self.judged..].iter().filter(unread).count() as u64;
        self.judged = self.file.served.len();
    }
}

/// Runs a project to its end. Nineteen in twenty kills are spread over the requests: each waits for a random number of
/// them and a random time more. The others meet the end of the run, when everything has been asked.
fn run_with_kills(project: &Path, server: &Mimic, log: &Path, kills: usize, requests: usize) -> Result<Killed> {
    let mut random = Random::new(requests as u64);
    let late = kills / 20;
    let mut places: Vec<usize> = (0..kills - late).map(|_| random.below(requests)).collect();
    places.sort_unstable();
    let mut victim = Victim::new(project, server, log)?;
    for (done, place) in places.into_iter().enumerate() {
        victim.kill_at(place, Duration::from_secs_f64(random.unit() * 0.06))?;
        if done % 20 == 19 {
            victim.tell();
        }
    }
    victim.killed.while_asking = victim.killed.kills;
    finish(project)?;
    victim.take_stock()?;
    let out = project.join("out");
    fs::remove_dir_all(&out)?;
    let start = Instant::now();
    finish(project)?;
    let mut whole = start.elapsed();
    for _ in 0..late {
        fs::remove_dir_all(&out).or_else(|error| if out.exists() { Err(error) } else { Ok(()) })?;
        let start = Instant::now();
        let pause = whole.mul_f64(random.unit());
        if !victim.kill_at(0, pause)? {
            whole = whole.min(start.elapsed());
        }
    }
    finish(project)?;
    victim.take_stock()?;
    let Victim { mut killed, file, .. } = victim;
    killed.requests = file.served.len() as u64;
    killed.distinct = file.served.iter().map(|served| &served.digest).collect::<HashSet<_>>().len() as u64;
    killed.billed = file.billed();
    killed.faults = file.faults;
    Ok(killed)
}

/// Waits until the server has noticed that its client is gone: no request is in service and all connections have ended.
fn settle(server: &Mimic, file: &mut LogFile) -> Result<()> {
    for _ in 0..2000 {
        let counters = server.counters()?;
        file.read()?;
        let open: HashSet<u64> =
            file.served.iter().map(|served| served.connection).filter(|one| !file.ends.contains_key(one)).collect();
        let spoiled = counters["requests"].as_u64() != Some(file.served.len() as u64);
        if !spoiled && open.iter().all(|connection| cut(file, *connection)) {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(2));
    }
    bail!("the server did not notice the end of its client: {}", server.counters()?)
}

/// Whether the server itself ended a connection, by a fault: such ends are not in the log.
fn cut(file: &LogFile, connection: u64) -> bool {
    file.served.iter().rev().find(|served| served.connection == connection).is_some_and(|served| !served.reply)
}

/// Faults that every run gets over: what they do to one attempt they rarely do to eight.
const FAULTS: &str =
    "latency=5ms-40ms,429=20ms:0.02,500:0.02,cut-before:0.01,cut-middle:0.01,truncated-json:0.01,html:0.01";

/// A run of 5,000 requests that is killed 200 times, against one that is not; then one under a budget that is too small.
pub(super) fn kill(rest: &[&str]) -> Result<()> {
    let number = |place: usize, usual: usize| rest.get(place).map_or(Ok(usual), |text| text.parse());
    let (kills, requests) = (number(0, 200)?, number(1, 5000)?);
    build(&["--package", "postil", "--package", "postil-mimic"])?;
    // The work of this program is the same in either profile.
    let folder = tempfile::tempdir()?;
    let place = |name: &str| folder.path().join(name);
    let log = |name: &str| -> Result<PathBuf> {
        let path = place(&format!("{name}.jsonl"));
        fs::write(&path, "")?;
        Ok(path)
    };

    let first_log = log("whole")?;
    let server = Mimic::start(0, FAULTS, Some(&first_log))?;
    let port = server.port()?;
    let budget = "[budget]\nmoney = 100.0";
    project(&place("whole"), requests, &server.url, "", budget)?;
    finish(&place("whole"))?;
    let expected = contents(&place("whole").join("out"))?;
    let mut file = LogFile::open(&first_log)?;
    file.read()?;
    let cost = file.billed() * PRICE;
    eprintln!("without a kill: {} requests, {} millionths", file.served.len(), cost);
    drop(server);

    // The same port, so that the project is the same to the letter.
    let second_log = log("killed")?;
    let server = Mimic::start(port, FAULTS, Some(&second_log))?;
    // The project's folder is named alike, too: its name stands in the report.
    let killed_place = place("again").join("whole");
    project(&killed_place, requests, &server.url, "", budget)?;
    let killed = run_with_kills(&killed_place, &server, &second_log, kills, requests)?;
    let found = contents(&killed_place.join("out"))?;
    let different: Vec<&String> =
        expected.keys().chain(found.keys()).filter(|name| expected.get(*name) != found.get(*name)).collect();
    if !different.is_empty() {
        keep_for_looking(&place("whole").join("out"), &killed_place.join("out"))?;
    }
    drop(server);

    let third_log = log("capped")?;
    let server = Mimic::start(port, FAULTS, Some(&third_log))?;
    let capped_place = place("capped");
    let cap = cost * 2;
    let budget = format!("[budget]\nmoney = {}", cap as f64 / 1e6);
    project(&capped_place, requests, &server.url, "", &budget)?;
    let capped = run_with_kills(&capped_place, &server, &third_log, kills / 4, requests / 3)?;
    let over = (capped.billed * PRICE).saturating_sub(cap);

    println!(
        "{}",
        json!({
            "rows": requests,
            "kills": killed.kills,
            "kills_while_asking": killed.while_asking,
            "bought_twice": killed.kept_and_bought + killed.read_and_bought,
            "bought_twice_from_journal": killed.kept_and_bought,
            "bought_twice_read_not_yet_kept": killed.read_and_bought,
            "in_flight": killed.in_flight,
            "most_bought_again_after_one_kill": killed.most_again,
            "lost": killed.lost + capped.lost,
            "over_budget": over as f64 / 1e6,
            "requests_served": killed.requests,
            "distinct": killed.distinct,
            "faults": killed.faults,
            "files": expected.len(),
            "files_that_differ": different,
            "capped": {
                "kills": capped.kills, "cap": cap as f64 / 1e6, "billed": (capped.billed * PRICE) as f64 / 1e6,
                "requests_served": capped.requests, "distinct": capped.distinct,
                "bought_twice": capped.kept_and_bought + capped.read_and_bought, "in_flight": capped.in_flight,
            },
        })
    );
    Ok(())
}

/// Leaves both results where they can be compared.
fn keep_for_looking(expected: &Path, found: &Path) -> Result<()> {
    let kept = tempfile::Builder::new().prefix("llm-kill-").tempdir()?.keep();
    copy_folder(expected, &kept.join("expected"))?;
    copy_folder(found, &kept.join("found"))?;
    eprintln!("results differ; both are in {}", kept.display());
    Ok(())
}
