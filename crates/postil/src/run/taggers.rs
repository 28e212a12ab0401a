//! Training a tagger of which every part has been labelled by a model that has not seen it.

use postil_core::{Digest, Document, Error, Result};
use postil_student::tagger::{FittedTagger, TaggerScratch};
use rayon::prelude::*;

use super::Watch;
use super::learn::student_error;

/// Every item is predicted by a model that learnt from the other parts.
const FOLDS: usize = 3;
/// The share that a last model does not see at first, to find out how sure it may be.
const HELD_OUT: f64 = 0.1;
/// More items than this are not trained on: the gain is small and the time is not.
const MOST: usize = 200_000;

/// At most so many items as training uses; the digest is as good as a draw, and does not move with the order of the file.
pub(super) fn at_most(mut chosen: Vec<usize>, digests: &[Digest]) -> Vec<usize> {
    if chosen.len() > MOST {
        chosen.sort_by_key(|&position| (digests[position], position));
        chosen.truncate(MOST);
        chosen.sort_unstable();
    }
    chosen
}

/// Trains on the chosen items with `train`, which takes positions and a held-out share, and predicts every item: those it
/// has learnt from by models that have not seen them. `Ok(Err(reason))` if there is too little to learn from.
pub(super) fn cross_fit<P: Clone + Default + Send>(
    (documents, digests, chosen): (&[Document], &[Digest], &[usize]),
    train: impl Fn(&[usize], f64) -> std::result::Result<FittedTagger, postil_student::Error>,
    predict: impl Fn(&FittedTagger, &Document, &mut TaggerScratch) -> P + Sync,
    watch: &dyn Watch,
) -> Result<std::result::Result<(FittedTagger, Vec<P>), String>> {
    let mut predicted = vec![P::default(); documents.len()];
    let fold_of = |position: usize| digests[position].to_u64() as usize % FOLDS;
    for fold in 0..FOLDS {
        let others: Vec<usize> = chosen.iter().copied().filter(|&position| fold_of(position) != fold).collect();
        let own: Vec<usize> = (0..documents.len()).filter(|&position| fold_of(position) == fold).collect();
        if own.is_empty() {
            continue;
        }
        let fitted = match train(&others, 0.0) {
            Ok(fitted) => fitted,
            Err(error) if error.is_input() => return Ok(Err(format!("no model was trained: {error}"))),
            Err(error) => return Err(student_error(error)),
        };
        let found: Vec<P> = own
            .par_iter()
            .map_init(TaggerScratch::default, |scratch, &position| predict(&fitted, &documents[position], scratch))
            .collect();
        for (position, found) in own.into_iter().zip(found) {
            predicted[position] = found;
        }
        if watch.stopped() {
            return Err(Error::cancelled());
        }
    }
    let fitted = train(chosen, HELD_OUT).map_err(student_error)?;
    Ok(Ok((fitted, predicted)))
}
