//! Whether tags are read token by token or in their sequence.

use std::ops::Range;

use postil_core::Class;
use postil_core::audit::GoldPart;
use postil_core::sequences::Neighbours;

use super::super::decisions::Decisions;
use super::super::fuse::Fused;
use super::super::gold::Gold;

/// Fewer known tags than this choose nothing.
const LEAST: usize = 100;

/// Reads the consensus in the sequence of tokens, if that predicts the gold that fits better; what was done, in a sentence.
///
/// Without enough gold tokens are read in sequence: where annotators are silent their neighbours are all there is.
pub(crate) fn in_sequence(fused: &mut Fused, decisions: &Decisions, items: usize, gold: &Gold) -> String {
    let classes = decisions.classes();
    let known: Vec<bool> = fused.support.iter().map(|&votes| votes > 0).collect();
    let sequences: Vec<Range<usize>> =
        (0..items).map(|item| decisions.of(item)).filter(|one| !one.is_empty()).collect();
    let chain = Neighbours::learn(&fused.consensus.posterior, &known, classes, &sequences);
    let read = chain.read(&fused.consensus.posterior, &known, &sequences);
    let truths: Vec<(usize, Class, f64)> = gold
        .part(GoldPart::Fit)
        .flat_map(|gold| gold.truths(decisions).map(|(decision, class)| (decision, class, gold.weight)))
        .collect();
    let loss = |posterior: &[f32]| {
        let (mut sum, mut weights) = (0.0, 0.0);
        for &(decision, class, weight) in &truths {
            sum -= weight * f64::from(decisions.row(posterior, decision)[usize::from(class)]).max(1e-6).ln();
            weights += weight;
        }
        sum / weights
    };
    if truths.len() < LEAST {
        fused.consensus.posterior = read;
        return format!(
            "tokens are read in sequence, by a hidden Markov model over tags; {} gold tags that fit are too few to compare",
            truths.len()
        );
    }
    let (alone, together) = (loss(&fused.consensus.posterior), loss(&read));
    let compared = format!(
        "by log-loss on {} gold tags that fit: {alone:.3} token by token, {together:.3} in sequence",
        truths.len()
    );
    if together < alone {
        fused.consensus.posterior = read;
        format!("tokens are read in sequence, by a hidden Markov model over tags ({compared})")
    } else {
        format!("tokens are read one by one ({compared})")
    }
}
