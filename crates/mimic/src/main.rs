//! The server as a process.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Parser;
use postil_mimic::{Behaviour, MadeUp, RateLimit, Rule, Server, Stored};

/// Serves stored answers as language model endpoints do.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A pair of tables: items (item, text) and annotations (item, annotator, label, confidence). May be repeated
    #[arg(long, num_args = 2, value_names = ["ITEMS", "ANNOTATIONS"])]
    answers: Vec<PathBuf>,
    /// Makes answers up from the items' texts instead
    #[arg(long, conflicts_with = "answers")]
    made_up: bool,
    /// The port; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Prints the base URL on standard output
    #[arg(long)]
    print_url: bool,
    /// Faults, such as `latency=5ms-40ms,429=2s:0.05#1,cut-middle:0.01`
    #[arg(long, value_delimiter = ',')]
    faults: Vec<Rule>,
    /// The seed of faults and samples
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The bearer key to expect
    #[arg(long)]
    key: Option<String>,
    /// Requests a minute, 429 beyond
    #[arg(long)]
    rate: Option<f64>,
    /// Requests in service at once, 429 beyond
    #[arg(long)]
    most_at_once: Option<usize>,
    /// Appends a line to this file for each request at once
    #[arg(long)]
    log: Option<PathBuf>,
    /// Keeps the log in memory for `GET /log`
    #[arg(long)]
    keep_log: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut behaviour = if arguments.made_up {
        Behaviour::new(MadeUp { seed: arguments.seed })
    } else {
        ensure!(!arguments.answers.is_empty(), "expected --answers ITEMS ANNOTATIONS or --made-up");
        let pairs: Vec<_> = arguments.answers.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect();
        Behaviour::new(Stored::read(&pairs)?)
    };
    behaviour.faults = arguments.faults;
    behaviour.seed = arguments.seed;
    behaviour.key = arguments.key;
    behaviour.rate = arguments.rate.map(|rate| RateLimit { requests_per_minute: rate, burst: (rate / 60.0).max(1.0) });
    behaviour.most_at_once = arguments.most_at_once;
    behaviour.log_file = arguments.log;
    behaviour.keep_log = arguments.keep_log;
    let server = Server::start_on(arguments.port, behaviour)?;
    if arguments.print_url {
        let mut out = std::io::stdout();
        writeln!(out, "{}", server.url())?;
        out.flush()?;
    }
    server.wait();
    Ok(())
}
