//! `postil estimate`

mod alt_test;
mod labels;
mod plan;
mod population;
mod project;
mod promise;
mod sets;
mod show;
mod source;

/// Figures that stay valid whatever the machine gets wrong.
///
/// With a table alone: population figures from a surrogate for every row and gold on a random sample, such as
/// `postil estimate table.csv --surrogate machine --gold person --probability pi --formula 'person ~ age + group'`. With
/// a project: the shares of its labels, from its gold draw.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    question: Option<Question>,
    #[command(flatten)]
    population: population::Arguments,
}

#[derive(Debug, clap::Subcommand)]
enum Question {
    /// May a machine replace a human annotator? The alternative annotator test
    AltTest(alt_test::Arguments),
    /// The confidence above which at most so many labels are wrong, as a promise
    Promise(promise::Arguments),
    /// Sets of labels that contain the true one as often as asked
    Sets(sets::Arguments),
    /// How many gold labels a question needs, before anything is spent
    Plan(plan::Arguments),
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    match &arguments.question {
        None => population::execute(&arguments.population),
        Some(Question::AltTest(arguments)) => alt_test::execute(arguments),
        Some(Question::Promise(arguments)) => promise::execute(arguments),
        Some(Question::Sets(arguments)) => sets::execute(arguments),
        Some(Question::Plan(arguments)) => plan::execute(arguments),
    }
}
