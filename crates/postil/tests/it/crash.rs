//! kill -9 at random points: what was acknowledged is kept, and the end is the same to the byte.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::Folder;

/// Enough to be caught in the middle of.
const ROWS: usize = 1500;

fn project() -> Folder {
    let folder = Folder::new();
    let words = ["apple", "pear", "bread", "roll", "plain", "other"];
    let rows: Vec<String> =
        (0..ROWS).map(|row| format!("r{row},{} {} number {row}", words[row % 6], words[(row / 7) % 6])).collect();
    folder.write("items.csv", format!("id,text\n{}\n", rows.join("\n")));
    let gold: Vec<String> = (0..ROWS)
        .step_by(10)
        .map(|row| format!("r{row},{},0.1", if row % 6 < 2 { "fruit" } else { "bakery" }))
        .collect();
    folder.write("gold.csv", format!("id,label,inclusion_probability\n{}\n", gold.join("\n")));
    folder.write("fruit.txt", "apple\npear\n");
    folder.write("bakery.txt", "bread\nroll\n");
    folder.write("rules.star", "A = keywords([\"apple\", \"plain\"])\n\ndef label(item):\n    return \"fruit\" if A.search(item.text) else None\n");
    folder.write(
        "postil.toml",
        "[task]\nkind = \"classify\"\nlabels = [\"fruit\", \"bakery\"]\n\
         [data]\nitems = \"items.csv\"\ntext = \"text\"\nid = \"id\"\ngold = \"gold.csv\"\n\
         [[annotator]]\nname = \"words\"\nkind = \"list\"\nlists = { fruit = \"fruit.txt\", bakery = \"bakery.txt\" }\n\
         [[annotator]]\nname = \"rules\"\nkind = \"program\"\npath = \"rules.star\"\n\
         [output]\nformats = [\"csv\"]\n",
    );
    folder
}

#[test]
fn killed_at_random_points_a_run_ends_in_the_same_bytes() {
    let folder = project();
    let start = Instant::now();
    folder.ok(&["run", "."]);
    // The shortest run seen so far: the machine may be busier now than later.
    let mut whole = start.elapsed();
    let expected = folder.files("out");
    let clear = || {
        std::fs::remove_dir_all(folder.path("out")).ok();
        std::fs::remove_dir_all(folder.path("ledger")).ok();
    };
    clear();
    let mut killed = 0;
    for attempt in 0..60 {
        let start = Instant::now();
        let mut child = folder.postil(&["run", "."]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Points spread over the whole run by the golden ratio, in an order that mixes early and late ones.
        let share = (f64::from(attempt) * 0.618_033_988_75).fract();
        let until = whole.mul_f64(share);
        while start.elapsed() < until && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            killed += 1;
        } else {
            whole = whole.min(start.elapsed());
            std::fs::remove_dir_all(folder.path("out")).unwrap();
        }
        child.wait().unwrap();
        if attempt % 8 == 7 {
            folder.ok(&["run", "."]);
            assert_eq!(expected, folder.files("out"), "after {killed} kills");
            clear();
            if killed >= 20 {
                return;
            }
        }
    }
    panic!("only {killed} of 60 runs were caught alive");
}

#[test]
fn an_interrupt_stops_cleanly_and_the_next_run_goes_on() {
    let folder = project();
    folder.ok(&["run", "."]);
    let expected = folder.files("out");
    std::fs::remove_dir_all(folder.path("out")).unwrap();
    std::fs::remove_dir_all(folder.path("ledger")).unwrap();
    let child = folder.postil(&["run", "."]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(60));
    std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    // The run may have been too fast to be stopped, or too young to have heard; both end well.
    if output.status.code() == Some(130) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("run the same command again"));
    }
    folder.ok(&["run", "."]);
    assert_eq!(expected, folder.files("out"));
}
