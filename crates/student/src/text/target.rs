//! What is known about a text's label, and what a solver makes of it.

use super::solver::exp;
use crate::error::{Error, Result};

/// What is known about the label of one training text. Classes are positions in the list of labels.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// The label.
    Hard(u16),
    /// A weight per label: a distribution for one-label tasks (it is normalised), the probability of each label by
    /// itself for multi-label tasks.
    Soft(Vec<f32>),
    /// The label is one of these, and it is not known which. Not for multi-label tasks.
    Candidates(Vec<u16>),
    /// Exactly these labels apply, possibly none. For multi-label tasks only.
    Set(Vec<u16>),
}

/// How the labels of a task relate to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Head {
    /// One label per text.
    Softmax,
    /// Any number of labels per text, each a decision of its own with a threshold of its own.
    Multilabel,
    /// One label per text, from an ordered scale.
    Ordinal,
}

/// Checked targets with their importance.
pub(crate) struct Targets<'a> {
    stated: &'a [Target],
    importance: Vec<f32>,
    classes: usize,
    multilabel: bool,
    smoothing: f32,
}

impl<'a> Targets<'a> {
    /// Checks that every target fits the head and the classes.
    pub(crate) fn new(
        targets: &'a [Target],
        weights: Option<&[f32]>,
        class_weights: Option<&[f32]>,
        classes: usize,
        head: Head,
        smoothing: f32,
    ) -> Result<Self> {
        let multilabel = head == Head::Multilabel;
        for (item, target) in targets.iter().enumerate() {
            check(target, classes, multilabel).map_err(|error| error.for_item(item))?;
        }
        let mut checked =
            Self { stated: targets, importance: vec![1.0; targets.len()], classes, multilabel, smoothing };
        if let Some(weights) = weights {
            if weights.len() != targets.len() {
                return Err(Error::input(format!("expected {} weights, found {}", targets.len(), weights.len())));
            }
            for (item, &weight) in weights.iter().enumerate() {
                if !weight.is_finite() || weight < 0.0 {
                    return Err(
                        Error::input(format!("expected a finite weight of at least 0, found {weight}")).for_item(item)
                    );
                }
            }
            checked.importance.copy_from_slice(weights);
        }
        if let Some(class_weights) = class_weights {
            if class_weights.len() != classes || class_weights.iter().any(|weight| !weight.is_finite() || *weight < 0.0)
            {
                return Err(Error::setting(format!("expected {classes} class weights, finite and at least 0")));
            }
            if multilabel {
                return Err(Error::setting("class weights do not apply to a multi-label task"));
            }
            let mut goal = vec![0.0; classes];
            for item in 0..targets.len() {
                checked.stated(item, &mut goal);
                let factor: f32 = goal.iter().zip(class_weights).map(|(share, weight)| share * weight).sum();
                checked.importance[item] *= factor;
            }
        }
        let mean =
            checked.importance.iter().map(|&weight| f64::from(weight)).sum::<f64>() / targets.len().max(1) as f64;
        if mean <= 0.0 {
            return Err(Error::input("expected some text with a weight above 0, found none"));
        }
        if weights.is_some() || class_weights.is_some() {
            checked.importance.iter_mut().for_each(|weight| *weight /= mean as f32);
        }
        Ok(checked)
    }

    #[cfg(test)]
    pub(crate) fn soft_for_test(goals: &[f32], classes: usize) -> Targets<'static> {
        let targets: Vec<Target> = goals.chunks(classes).map(|goal| Target::Soft(goal.to_vec())).collect();
        let count = targets.len();
        Targets { stated: Vec::leak(targets), importance: vec![1.0; count], classes, multilabel: false, smoothing: 0.0 }
    }

    pub(crate) fn classes(&self) -> usize {
        self.classes
    }

    pub(crate) fn len(&self) -> usize {
        self.stated.len()
    }

    pub(crate) fn importance(&self, item: usize) -> f32 {
        self.importance[item]
    }

    /// What the target says before any model: candidates share evenly.
    pub(crate) fn stated(&self, item: usize, goal: &mut [f32]) {
        goal.fill(0.0);
        match &self.stated[item] {
            Target::Hard(class) => goal[*class as usize] = 1.0,
            Target::Soft(shares) if self.multilabel => goal.copy_from_slice(shares),
            Target::Soft(shares) => {
                let sum: f32 = shares.iter().sum();
                goal.iter_mut().zip(shares).for_each(|(goal, share)| *goal = share / sum);
            }
            Target::Candidates(classes) => {
                classes.iter().for_each(|&class| goal[class as usize] = 1.0);
                let count: f32 = goal.iter().sum();
                goal.iter_mut().for_each(|goal| *goal /= count);
            }
            Target::Set(classes) => classes.iter().for_each(|&class| goal[class as usize] = 1.0),
        }
    }

    /// What the target says given scores: candidate sets share by the softmax of the scores, which makes the
    /// cross-entropy's gradient that of `-log sum of p over the candidates`.
    pub(crate) fn refined(&self, item: usize, scores: &[f32], goal: &mut [f32]) {
        self.stated(item, goal);
        if matches!(self.stated[item], Target::Candidates(_)) {
            let most =
                scores.iter().zip(&*goal).filter(|pair| *pair.1 > 0.0).fold(f32::MIN, |most, pair| most.max(*pair.0));
            let mut sum = 0.0;
            for (goal, &score) in goal.iter_mut().zip(scores) {
                if *goal > 0.0 {
                    *goal = exp(score - most);
                    sum += *goal;
                }
            }
            goal.iter_mut().for_each(|goal| *goal /= sum);
        }
    }

    /// The goal of a solver's step: candidates are refined from the third pass on, when scores mean something, and the
    /// smoothing spreads a share over the other classes.
    pub(crate) fn goal(&self, item: usize, scores: &[f32], epoch: usize, goal: &mut [f32]) {
        if epoch >= 2 {
            self.refined(item, scores, goal);
        } else {
            self.stated(item, goal);
        }
        if self.smoothing > 0.0 && !self.multilabel {
            let spread = self.smoothing / self.classes as f32;
            goal.iter_mut().for_each(|goal| *goal = *goal * (1.0 - self.smoothing) + spread);
        }
    }

    /// The class that leads in the target, for splitting the texts evenly.
    pub(crate) fn leading(&self, item: usize) -> usize {
        match &self.stated[item] {
            Target::Hard(class) => *class as usize,
            Target::Soft(shares) => {
                let mut best = 0;
                for (class, share) in shares.iter().enumerate() {
                    if *share > shares[best] {
                        best = class;
                    }
                }
                best
            }
            Target::Candidates(classes) | Target::Set(classes) => {
                classes.first().map_or(self.classes, |&class| class as usize)
            }
        }
    }
}

fn check(target: &Target, classes: usize, multilabel: bool) -> Result<()> {
    let known = |class: u16| {
        if (class as usize) < classes {
            Ok(())
        } else {
            Err(Error::input(format!("expected a class below {classes}, found {class}")))
        }
    };
    match target {
        Target::Hard(_) if multilabel => {
            Err(Error::input("expected a set of labels for a multi-label task, found one label")
                .hint("wrap it as a set of one"))
        }
        Target::Hard(class) => known(*class),
        Target::Soft(shares) => {
            if shares.len() != classes {
                return Err(Error::input(format!("expected {classes} shares, found {}", shares.len())));
            }
            let highest = if multilabel { 1.0 } else { f32::MAX };
            if let Some(share) = shares.iter().find(|share| !(0.0..=highest).contains(*share)) {
                return Err(Error::input(format!("expected shares of at least 0, found {share}")));
            }
            let sum: f32 = shares.iter().sum();
            if !multilabel && (!sum.is_finite() || sum <= 0.0) {
                return Err(Error::input(format!("expected shares with a positive sum, found {sum}"))
                    .hint("leave out texts about which nothing is known"));
            }
            Ok(())
        }
        Target::Candidates(_) if multilabel => {
            Err(Error::input("expected a set of labels for a multi-label task, found candidates"))
        }
        Target::Candidates(candidates) => {
            if candidates.is_empty() {
                return Err(Error::input("expected at least one candidate, found none"));
            }
            candidates.iter().try_for_each(|&class| known(class))
        }
        Target::Set(_) if !multilabel => {
            Err(Error::input("expected one label, found a set").hint("use the multi-label head for sets"))
        }
        Target::Set(set) => set.iter().try_for_each(|&class| known(class)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_do_not_fit_are_refused_with_their_item() {
        let cases = [
            (Target::Hard(3), Head::Softmax),
            (Target::Soft(vec![0.5, 0.5]), Head::Softmax),
            (Target::Soft(vec![0.0; 3]), Head::Softmax),
            (Target::Soft(vec![f32::NAN, 1.0, 1.0]), Head::Softmax),
            (Target::Soft(vec![2.0, 0.0, 0.0]), Head::Multilabel),
            (Target::Candidates(vec![]), Head::Ordinal),
            (Target::Candidates(vec![0]), Head::Multilabel),
            (Target::Set(vec![0]), Head::Softmax),
            (Target::Set(vec![7]), Head::Multilabel),
            (Target::Hard(0), Head::Multilabel),
        ];
        for (target, head) in cases {
            let fine = if head == Head::Multilabel { Target::Set(vec![1]) } else { Target::Hard(1) };
            let pair = [fine, target];
            let error = Targets::new(&pair, None, None, 3, head, 0.0).err().expect("refused");
            assert!(error.is_input() && error.item() == Some(1), "{error:?}");
        }
    }

    #[test]
    fn candidates_sharpen_with_the_scores() {
        let targets = [Target::Candidates(vec![0, 2])];
        let targets = Targets::new(&targets, None, None, 3, Head::Softmax, 0.0).unwrap();
        let mut goal = [0.0; 3];
        targets.goal(0, &[5.0, 9.0, 5.0], 0, &mut goal);
        assert_eq!(goal, [0.5, 0.0, 0.5]);
        targets.goal(0, &[6.0, 9.0, 5.0], 5, &mut goal);
        assert!((goal[0] - 0.731).abs() < 1e-3 && goal[1] == 0.0);
    }
}
