//! Programs that try to take down the machine, the worker, or the items beside the one they were given.

use std::time::Duration;

use postil_core::{Status, TaskKind};

use crate::support::{Project, briefs, items, message, worker};

const SMALL: &str = r#"{"memory_mb": 96, "steps_per_item": 300000, "seconds_per_item": 1, "failures": 3}"#;

/// Runs a body for the item `bad` between two good ones; the good ones must be unharmed.
fn attack(body: &str) -> String {
    let source = format!("def label(item):\n    if item.text != 'bad':\n        return 'bug'\n{body}\n");
    let annotations = Project::run(TaskKind::Classify, &source, SMALL, &["good", "bad", "good"]);
    assert_eq!(briefs(&annotations)[0], "bug", "{body}");
    assert_eq!(briefs(&annotations)[2], "bug", "{body}");
    assert_eq!(annotations[1].status, Status::Failed, "{body}");
    annotations[1].evidence.clone().unwrap()
}

#[test]
fn endless_loops_are_stopped() {
    let evidence = attack("    for i in range(1000000000):\n        for j in range(1000000000):\n            pass");
    assert!(evidence.starts_with("p.star:"), "{evidence}");
    assert!(evidence.ends_with("item `2`: stopped after 300000 steps"), "{evidence}");
}

#[test]
fn a_single_operation_that_takes_long_is_killed() {
    let evidence = attack("    x = 3\n    for i in range(40):\n        x = x * x\n    return 'bug'");
    assert!(evidence.starts_with("p.star:6: item `2`: "), "{evidence}");
}

#[test]
fn endless_memory_is_refused() {
    let cases = [
        ("    x = [1]\n    for i in range(60):\n        x = x + x", "p.star:6: item `2`: "),
        ("    x = 'ab'\n    for i in range(60):\n        x = x + x", "p.star:6: item `2`: "),
        ("    x = 'ab' * (len(item.text) * 500000000)", "p.star:4: item `2`: "),
        ("    x = [1, 2] * (len(item.text) * 500000000)", "p.star:4: item `2`: "),
        ("    x = list(range(len(item.text) * 30000000))", "p.star:4: item `2`: "),
        ("    x = {}\n    for i in range(100000000):\n        x[i] = str(i) * 1000", "p.star:6: item `2`: "),
        ("    return ['bug'] * (len(item.text) * 500000000)", "p.star:4: item `2`: "),
        ("    return '{}'.format('x' * 40000000).join(['a'] * 40)", "p.star:4: item `2`: "),
    ];
    for (body, place) in cases {
        let evidence = attack(body);
        assert!(evidence.starts_with(place), "{body}: {evidence}");
        assert!(evidence.contains("MB"), "{body}: {evidence}");
    }
}

#[test]
fn recursion_ends_with_an_error() {
    let source = "def f(n):\n    return f(n + 1)\ndef label(item):\n    return f(0)\n";
    let annotations = Project::run(TaskKind::Classify, source, SMALL, &["x"]);
    let evidence = annotations[0].evidence.as_deref().unwrap();
    assert!(evidence.starts_with("p.star:2: item `1`: recursion deeper than"), "{evidence}");
    // Data nested deeper than any stack.
    let source = "def label(item):\n    x, y = [], []\n    for i in range(1500000):\n        x, y = [x], [y]\n    return 'bug' if x == y else None\n";
    let annotations = Project::run(TaskKind::Classify, source, "{}", &["x"]);
    let evidence = annotations[0].evidence.as_deref().unwrap();
    assert!(evidence.starts_with("p.star:5: item `1`: "), "{evidence}");
}

#[test]
fn loading_is_guarded_too() {
    let cases = [
        ("x = 1\nfor i in range(1000000000):\n    x += 1\n", "p.star:3: stopped after"),
        ("x = 'a'\n\ny = [x] * 2000000000\n", "p.star:3: needed more than 96 MB of memory"),
    ];
    for (source, expected) in cases {
        let project = Project::new(TaskKind::Classify).with("p.star", source);
        let spec = format!(r#"{{"kind": "program", "name": "p", "path": "p.star", "limits": {SMALL}}}"#);
        let found = message(project.open(&spec));
        assert!(found.starts_with(expected), "{found}");
    }
    let deep = format!("x = {}1{}\ndef label(item): return 'bug'\n", "(".repeat(20_000), ")".repeat(20_000));
    let project = Project::new(TaskKind::Classify).with("p.star", &deep);
    let _ = project.open(r#"{"kind": "program", "name": "p", "path": "p.star"}"#).map(drop);
}

#[test]
fn printing_costs_nothing_and_shows_nothing() {
    let source = "def label(item):\n    for i in range(5000):\n        print('x' * 1000)\n    return 'bug'\n";
    assert_eq!(briefs(&Project::run(TaskKind::Classify, source, "{}", &["a", "b"])), ["bug", "bug"]);
}

#[test]
fn a_batch_function_cannot_lie_about_its_length() {
    for (answers, said) in
        [("['bug']", "found 1"), ("items + items", "found 6"), ("None", "found NoneType"), ("'bug'", "found string")]
    {
        let source = format!("def labels(items):\n    return {answers}\n");
        let annotations = Project::run(TaskKind::Classify, &source, SMALL, &["a", "b", "c"]);
        assert_eq!(briefs(&annotations), ["malformed"; 3]);
        let evidence = annotations[2].evidence.as_deref().unwrap();
        assert!(evidence.starts_with("p.star:2: item `3`: expected") && evidence.ends_with(said), "{evidence}");
    }
    let source = "def labels(items):\n    x = 'a' * (len(items) * 600000000)\n    return x\n";
    let annotations = Project::run(TaskKind::Classify, source, SMALL, &["a", "b", "c"]);
    assert_eq!(briefs(&annotations), ["failed"; 3]);
    assert!(annotations[0].evidence.as_deref().unwrap().starts_with("p.star:2: item `1`: needed more than 96 MB"));
}

#[test]
fn a_function_that_keeps_crashing_is_stopped_and_the_others_go_on() {
    let source = "def label_bad(item):\n    return 'x' * (len(item.text) * 2000000000)\ndef label_good(item):\n    return 'praise'\n";
    let project = Project::new(TaskKind::Classify).with("p.star", source);
    let spec = format!(r#"{{"kind": "program", "name": "p", "path": "p.star", "limits": {SMALL}}}"#);
    let mut annotators = project.open(&spec).unwrap();
    let batch = items(&["x"; 50]);
    for _ in 0..2 {
        let bad = annotators[0].annotate(&batch).unwrap();
        let crashed = bad.iter().filter(|one| one.evidence.as_deref().unwrap().contains("needed more than")).count();
        assert_eq!((bad.len(), crashed), (50, 50));
        assert!(
            bad[3].evidence.as_deref().unwrap().contains("not run, since the function had failed in this way 3 times")
        );
        assert_eq!(briefs(&annotators[1].annotate(&batch).unwrap()), ["praise"; 50]);
    }
}

/// The live processes that were started with an argument of their own.
fn processes_with(marker: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(command) = std::fs::read(format!("/proc/{process}/cmdline")) else { continue };
        if command.split(|&byte| byte == 0).any(|argument| argument == marker.as_bytes()) {
            found.push(process);
        }
    }
    found
}

#[test]
fn a_worker_killed_from_outside_costs_nothing() {
    const MARKER: &str = "--postil-test-of-killing";
    if !std::path::Path::new("/proc/self/stat").exists() {
        eprintln!("SKIPPED: no /proc here, so the worker cannot be found");
        return;
    }
    let source =
        "def label(item):\n    for i in range(2000): pass\n    return 'bug' if item.id.endswith('3') else None\n";
    let mut project = Project::new(TaskKind::Classify).with("p.star", source);
    (project.threads, project.marker) = (1, MARKER);
    let mut annotator = project.one(r#"{"kind": "program", "name": "p", "path": "p.star"}"#);
    let texts = vec!["x"; 6000];
    let batch = items(&texts);
    let undisturbed = annotator.annotate(&batch).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let (disturbed, killed) = std::thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut killed = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) && killed < 3 {
                std::thread::sleep(Duration::from_millis(60));
                for process in processes_with(MARKER) {
                    let pid = rustix::process::Pid::from_raw(process as i32).unwrap();
                    killed += usize::from(rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok());
                }
            }
            killed
        });
        let disturbed = annotator.annotate(&batch).unwrap();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        (disturbed, killer.join().unwrap())
    });
    assert!(killed > 0, "the batch was over before a worker could be killed");
    let failed: Vec<_> = disturbed.iter().filter(|one| one.status == Status::Failed).collect();
    // A kill while items are retried one by one is blamed on the item at hand; all others must be as they were.
    assert!(failed.len() < killed, "{failed:?}");
    for (before, after) in undisturbed.iter().zip(&disturbed) {
        assert!(before == after || after.status == Status::Failed);
    }
}

#[test]
fn something_that_is_no_worker_is_refused() {
    let project = Project::new(TaskKind::Classify).with("p.star", "def label(item): return 'bug'\n");
    let spec = serde_json::from_str(r#"{"kind": "program", "name": "p", "path": "p.star"}"#).unwrap();
    for program in ["/bin/true", "/does/not/exist"] {
        let command = postil_annotators::WorkerCommand { program: program.into(), ..worker() };
        let settings = postil_annotators::Settings::new(command, 1);
        let found = message(postil_annotators::open(&spec, &project.task, project.folder(), &settings));
        assert!(found.contains(program), "{found}");
    }
}

#[test]
fn a_worker_can_open_nothing() {
    const MARKER: &str = "--postil-test-of-limits";
    // The interpreter has no way to ask for a file; what the system would say if it had one is checked by looking at
    // the limits of a live worker.
    let Ok(_) = std::fs::read_to_string("/proc/self/limits") else {
        eprintln!("SKIPPED: no /proc here, so the limits of a worker cannot be read");
        return;
    };
    let mut project = Project::new(TaskKind::Classify).with("p.star", "def label(item): return 'bug'\n");
    (project.threads, project.marker) = (1, MARKER);
    let mut annotator = project.one(r#"{"kind": "program", "name": "p", "path": "p.star"}"#);
    annotator.annotate(&items(&["x"])).unwrap();
    let mut checked = 0;
    for process in processes_with(MARKER) {
        let Ok(limits) = std::fs::read_to_string(format!("/proc/{process}/limits")) else { continue };
        let soft = |name: &str| {
            let line = limits.lines().find(|line| line.starts_with(name)).unwrap_or_default();
            line[name.len()..].split_whitespace().next().unwrap_or_default().to_owned()
        };
        for name in ["Max open files", "Max file size", "Max core file size", "Max processes"] {
            assert_eq!(soft(name), "0", "{name}");
        }
        assert_ne!(soft("Max address space"), "unlimited");
        assert_ne!(soft("Max cpu time"), "unlimited");
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        assert!(environment.is_empty());
        checked += 1;
    }
    assert!(checked > 0);
}
