//! kill -9 while models are asked: no reply that was kept is bought again, and the end is the same to the byte.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use postil_mimic::{Behaviour, Rule, Server};

use crate::llm::{ITEMS, all_right, answers, project};

#[test]
fn killed_at_random_points_nothing_kept_is_bought_again() {
    let price = "price = { input = 1000.0, output = 1000.0 }\nconcurrency = 4";
    let slow = || Behaviour::new(answers).fault("latency=5ms-15ms".parse::<Rule>().unwrap());
    let server = Server::start(slow());
    let folder = project(&server, "classify", price, "");
    let start = Instant::now();
    folder.ok(&["run"]);
    let whole = start.elapsed();
    let expected = folder.files("out");

    let server = Server::start(slow());
    let toml = folder.read("postil.toml");
    let address = toml.lines().find(|line| line.starts_with("endpoint")).unwrap().to_owned();
    folder.write("postil.toml", toml.replace(&address, &format!("endpoint = \"{}\"", server.url())));
    std::fs::remove_dir_all(folder.path("out")).unwrap();
    std::fs::remove_dir_all(folder.path("ledger")).unwrap();
    let mut kills = 0;
    for attempt in 0..30 {
        let mut child = folder.postil(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + whole.mul_f64((f64::from(attempt) * 0.618_033_988_75).fract());
        while Instant::now() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        let kept = folder.path("out").join("labels.csv").exists();
        if kept {
            break;
        }
    }
    folder.ok(&["run"]);
    all_right(&folder);
    let mut times: HashMap<_, u32> = HashMap::new();
    server.log().iter().for_each(|entry| *times.entry(entry.digest).or_default() += 1);
    assert_eq!(times.len(), ITEMS);
    // Only what was on its way when the process died may be asked again: at most four requests a kill.
    let again: u32 = times.values().map(|count| count - 1).sum();
    assert!(again <= 4 * kills, "{again} requests were sent again after {kills} kills");
    // The endpoint is no part of an answer, but it is of the settings, which the report cites.
    let ended = folder.files("out");
    for name in ["labels.csv", "labels.parquet"] {
        assert_eq!(expected[name], ended[name], "{name}");
    }
}
