//! What students learn from teachers that err, on public sets and stored answers of language models.
//!
//! ```sh
//! cargo run --release -p postil-annotators --example teacher_student -- noise [--sets trec6,freeal-mr] [--noise u20,c40]
//! ```
//!
//! The data are looked for in the folder that `POSTIL_DATA` names.

mod data;
mod noise;

#[expect(clippy::print_stdout, reason = "a command's output")]
fn say(line: &str) {
    println!("{line}");
}

fn main() -> data::Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("noise") => noise::run(&arguments[1..]),
        other => Err(format!("expected noise, found {other:?}").into()),
    }
}
