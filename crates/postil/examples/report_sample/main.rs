//! Writes three reports with invented data, to look at: a usual one, one in which nothing is known, and a large one
//! with hostile strings.
//!
//! ```text
//! cargo run -p postil --example report_sample -- FOLDER
//! ```

mod sample;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, std::path::PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    for (name, report) in [("usual", sample::usual()), ("unknown", sample::unknown()), ("large", sample::large())] {
        std::fs::write(folder.join(name).with_extension("html"), postil::report::render(&report))?;
    }
    Ok(())
}
