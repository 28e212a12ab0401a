//! Fifty people at once, an import beside them, and a million items.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[path = "../../../crates/review/tests/it/client.rs"]
mod client;

use client::{Client, uuid};

const PEOPLE: u64 = 50;
const ITEMS: usize = 100_000;
const MANY: usize = 1_000_000;
const IMPORTED: usize = 20_000;
/// Answers of each person: at the pace of fast people, and as fast as the server lets them.
const PACED: u64 = 60;
const HURRIED: u64 = 100;

/// A server in a process of its own.
struct Served {
    child: Child,
    address: SocketAddr,
    /// From the start of the process to the first page with its session and its first items.
    usable: Duration,
}

impl Served {
    fn start(program: &Path, folder: &Path, file: &str) -> Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(program)
            .args(["review", file, "--labels", "bug,praise,other", "--port", "0", "--no-open", "--as", "owner"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("the output is piped")?).read_line(&mut line)?;
        let address =
            line.trim().strip_prefix("review: http://").and_then(|rest| rest.trim_end_matches('/').parse().ok());
        let address: SocketAddr = address.with_context(|| format!("expected an address, found {line:?}"))?;
        page(address)?;
        Ok(Self { child, address, usable: begun.elapsed() })
    }

    /// The most memory so far, in megabytes.
    fn peak_mb(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("the system tells the peak")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
    }

    fn cpu_seconds(&self) -> Result<f64> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()))?;
        let fields: Vec<&str> = stat.rsplit_once(')').context("a name in brackets")?.1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
        Ok(ticks as f64 / 100.0)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a browser asks for before somebody can answer; how long it takes.
fn page(address: SocketAddr) -> Result<Duration> {
    let mut client = Client::new(address);
    let begun = Instant::now();
    let shell = client.ask("GET", "/", b"")?;
    ensure!(shell.status == 200, "no page: {}", shell.status);
    client.get("/api/session");
    let leased = client.post("/api/lease", &json!({ "queue": "all", "count": 8, "resume": true }));
    ensure!(leased["work"].as_array().is_some_and(|work| work.len() == 8), "no items: {leased}");
    Ok(begun.elapsed())
}

fn write_items(path: &Path, count: usize) -> Result<()> {
    let mut text = String::from("id,text\n");
    for number in 0..count {
        let _ = writeln!(
            text,
            "item-{number},\"the app number {number} stopped working after update {}, please help\"",
            number % 97
        );
    }
    Ok(std::fs::write(path, text)?)
}

/// One person's answers; how long each took to be saved, in milliseconds.
fn work(address: SocketAddr, token: &str, who: u64, pace: bool, given: &Mutex<(HashSet<String>, u64)>) -> Vec<f64> {
    let mut client = Client::with_token(address, token);
    let mut held: Vec<String> = Vec::new();
    let mut times = Vec::new();
    let answers = if pace { PACED } else { HURRIED };
    for number in 0..answers {
        if held.len() < 4 {
            let leased = client.post("/api/lease", &json!({ "queue": "all", "count": 8 - held.len(), "have": held }));
            for work in leased["work"].as_array().into_iter().flatten() {
                let item = work["item"].as_str().unwrap_or_default().to_owned();
                let mut given = given.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if !given.0.insert(item.clone()) {
                    given.1 += 1;
                }
                held.push(item);
            }
        }
        if held.is_empty() {
            break;
        }
        let item = held.remove(0);
        if pace {
            // Fast people: an answer every 200 to 800 milliseconds, each at a time of its own.
            std::thread::sleep(Duration::from_millis(200 + (who * 7919 + number * 104_729) % 600));
        }
        let id = uuid(((who * 2 + u64::from(pace)) << 32) | number);
        let label = ["bug", "praise", "other"][((who + number) % 3) as usize];
        let body = json!({ "id": id, "item": item, "queue": "all", "status": "answered", "millis": 500, "actions": 1,
            "answer": { "kind": "class", "label": label } });
        let begun = Instant::now();
        let saved = client.post("/api/answer", &body);
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        assert_eq!(saved["again"], Value::Bool(false), "an answer was there before it was given");
    }
    times
}

fn quantile(times: &mut [f64], share: f64) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Answers of another tool about the last items, in Postil's own form.
fn import(address: SocketAddr) -> Result<(usize, Duration)> {
    let mut body = String::new();
    for number in ITEMS - IMPORTED..ITEMS {
        let line = json!({ "item": format!("item-{number}"), "annotator": "elsewhere", "status": "answered",
            "said": { "kind": "class", "label": "bug" } });
        let _ = writeln!(body, "{line}");
    }
    let begun = Instant::now();
    let reply = Client::new(address).ask("POST", "/api/import?format=jsonl", body.as_bytes())?;
    ensure!(reply.status == 200, "the import failed: {}", String::from_utf8_lossy(&reply.body));
    Ok((reply.json()["answers"].as_u64().unwrap_or(0) as usize, begun.elapsed()))
}

/// How long each answer took to be saved, in milliseconds; the seconds of all; what was imported beside, and how fast.
type Phase = (Vec<f64>, f64, Option<(usize, Duration)>);

/// Fifty people on a hundred thousand items beside an import; then a million items. Another
/// binary than the release build can be named.
pub(super) fn load(rest: &[&str]) -> Result<()> {
    let program = if let Some(program) = rest.first() {
        PathBuf::from(program)
    } else {
        super::build(&["--package", "postil"])?;
        super::release("postil")
    };
    let folder = tempfile::tempdir()?;
    write_items(&folder.path().join("items.csv"), ITEMS)?;
    let served = Served::start(&program, folder.path(), "items.csv")?;
    let mut owner = Client::new(served.address);
    let tokens: Vec<String> = (0..PEOPLE)
        .map(|who| {
            let invited = owner.post("/api/people", &json!({ "name": format!("p{who}"), "role": "annotate" }));
            invited["token"].as_str().unwrap_or_default().to_owned()
        })
        .collect();
    let given = Mutex::new((HashSet::new(), 0));
    let phase = |pace: bool| -> Result<Phase> {
        let begun = Instant::now();
        let (times, imported) = std::thread::scope(|scope| {
            let (address, given) = (served.address, &given);
            let importing = pace.then(|| scope.spawn(move || import(address)));
            let people: Vec<_> = (0..PEOPLE)
                .zip(&tokens)
                .map(|(who, token)| scope.spawn(move || work(address, token, who, pace, given)))
                .collect();
            let times: Vec<f64> =
                people.into_iter().flat_map(|person| person.join().expect("a person works")).collect();
            (times, importing.map(|thread| thread.join().expect("the import ends")))
        });
        Ok((times, begun.elapsed().as_secs_f64(), imported.transpose()?))
    };
    let (mut paced, _, imported) = phase(true)?;
    let (mut hurried, seconds, _) = phase(false)?;
    let doubled = given.lock().unwrap_or_else(std::sync::PoisonError::into_inner).1;
    let (imported, import_time) = imported.context("the import ran beside the people")?;
    ensure!(imported == IMPORTED, "expected {IMPORTED} imported answers, found {imported}");
    let (peak, cpu) = (served.peak_mb()?, served.cpu_seconds()?);
    // The owner's connection has been still for too long to be kept.
    let stored = Client::new(served.address).get("/api/live")["answered"].as_u64().unwrap_or(0) as usize;
    let answered = paced.len() + hurried.len();
    ensure!(stored == answered + IMPORTED, "expected {} answered items, found {stored}", answered + IMPORTED);
    let small = served.usable;
    drop(served);

    let many = tempfile::tempdir()?;
    write_items(&many.path().join("items.csv"), MANY)?;
    let served = Served::start(&program, many.path(), "items.csv")?;
    let started = served.usable;
    let begun = Instant::now();
    while Client::new(served.address).get("/api/session")["items"].as_u64() != Some(MANY as u64) {
        ensure!(begun.elapsed() < Duration::from_mins(5), "a million items were not read");
        std::thread::sleep(Duration::from_millis(50));
    }
    let read = begun.elapsed();
    let mut pages = (0..20).map(|_| Ok(page(served.address)?.as_secs_f64() * 1000.0)).collect::<Result<Vec<f64>>>()?;
    let round = |value: f64| (value * 100.0).round() / 100.0;
    let rows = answered + IMPORTED;
    println!(
        "{}",
        json!({
            "bench": "review-load", "people": PEOPLE, "items": ITEMS, "rows": rows, "cpu_seconds": round(cpu),
            "rows_per_second": round(rows as f64 / cpu), "peak_mb": round(peak),
            "save_p50_ms": round(quantile(&mut paced, 0.5)), "save_p99_ms": round(quantile(&mut paced, 0.99)),
            "hurried_p50_ms": round(quantile(&mut hurried, 0.5)), "hurried_p99_ms": round(quantile(&mut hurried, 0.99)),
            "hurried_per_second": round(hurried.len() as f64 / seconds),
            "imported": imported, "import_seconds": round(import_time.as_secs_f64()), "doubled_leases": doubled,
            "start_ms": round(small.as_secs_f64() * 1000.0),
            "million_start_ms": round(started.as_secs_f64() * 1000.0), "million_read_seconds": round(read.as_secs_f64()),
            "million_page_p50_ms": round(quantile(&mut pages, 0.5)), "million_page_max_ms": round(quantile(&mut pages, 1.0)),
            "million_peak_mb": round(served.peak_mb()?),
        })
    );
    Ok(())
}
