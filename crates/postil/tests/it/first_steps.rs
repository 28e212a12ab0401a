//! What a newcomer types first.

use std::io::Read;
use std::process::Stdio;

use crate::support::Folder;

#[test]
fn help_reads_well_for_every_command() {
    let folder = Folder::new();
    let help = folder.ok(&["--help"]);
    for command in ["init", "plan", "run", "report", "export", "draw", "aggregate", "train", "predict"] {
        assert!(help.contains(command), "{help}");
        assert!(folder.ok(&[command, "--help"]).contains("Usage: postil"), "{command}");
    }
    assert!(!help.contains("program-worker"));
    assert!(help.contains("Exit codes"));
}

#[test]
fn init_proposes_a_project_that_runs() {
    let folder = Folder::new();
    let rows: Vec<String> = (0..60)
        .map(|row| {
            let (text, kind) =
                if row % 2 == 0 { ("please replace this pattern soon", "a") } else { ("all is well here", "b") };
            format!("r{row},\"{text}, number {row}\",{kind}")
        })
        .collect();
    folder.write("data.csv", format!("id,message,kind\n{}\n", rows.join("\n")));
    let proposal = folder.json(&["init", "data.csv", "--json"]);
    assert_eq!(
        (&proposal["text"], &proposal["id"], &proposal["label"]),
        (&"message".into(), &"id".into(), &"kind".into())
    );
    let project = folder.read("postil.toml");
    assert!(project.contains("labels = [\"a\", \"b\"]"), "{project}");
    let refused = folder.fails(2, &["init", "data.csv"]);
    assert!(refused.contains("--force"), "{refused}");
    let report = folder.json(&["run", ".", "--json"]);
    assert_eq!(report["items"]["count"], 60);
    assert_eq!(report["gold"]["total"], 60);
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    let folder = Folder::tickets();
    folder.ok(&["run", "."]);
    let mut child = folder.postil(&["export", "."]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = [0; 10];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
