//! What a reader should know before using the figures, and what they mean.

use serde::Serialize;

use super::Agreement;
use crate::measured::Measured;
use crate::task::Class;

/// Share of one label from which coefficients that correct for chance run low.
const PREVALENT: f64 = 0.8;
/// Gap between AC1 and alpha that is worth a word.
const GAP: f64 = 0.2;
/// Below so many items intervals by resampling are too narrow.
const FEW_ITEMS: usize = 30;
/// Below so many answers the figures of a class rest on little.
const FEW_ANSWERS: u64 = 20;
/// From this share of one label an annotator that answered often is named.
const NEARLY_ALWAYS: f64 = 0.95;
/// Krippendorff's least alpha for tentative and for firm conclusions (Krippendorff 2004).
const TENTATIVE: f64 = 0.667;
const FIRM: f64 = 0.8;

/// Something to know before the figures are used.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "caution", rename_all = "snake_case")]
pub enum Caution {
    /// One label makes up most answers.
    Prevalence {
        /// The label.
        class: Class,
        /// Its share.
        share: f64,
        /// The observed agreement, alpha and AC1.
        observed: f64,
        /// Alpha of names.
        alpha: f64,
        /// Gwet's AC1.
        ac1: f64,
    },
    /// All answers on items with two or more are of one label.
    OneClass,
    /// Items with one answer, which say nothing about agreement.
    SingleAnswers {
        /// How many.
        items: usize,
        /// Of so many.
        of: usize,
    },
    /// Few items carry the figures.
    FewItems {
        /// How many.
        items: usize,
    },
    /// Few answers name a label, so its figures rest on little.
    RareClass {
        /// The label.
        class: Class,
        /// Its answers.
        answers: u64,
    },
    /// Annotators whose items nobody else answered.
    NoOverlap {
        /// Who, the first hundred.
        annotators: Vec<u32>,
        /// How many in all.
        count: usize,
    },
    /// An annotator that gives nearly always one label.
    NearlyConstant {
        /// Who.
        annotator: u32,
        /// The label.
        class: Class,
        /// Its share of the annotator's answers.
        share: f64,
    },
    /// An annotator that agrees with the others less than chance would.
    WorseThanChance {
        /// Who.
        annotator: u32,
        /// Its kappa against the others.
        kappa: f64,
    },
    /// Answers that repeat an annotator's answer about the same item.
    Repeated {
        /// How many.
        answers: usize,
        /// How many of them were put aside.
        put_aside: usize,
    },
}

/// What the figures mean, by Krippendorff's bounds on the low end of alpha's interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Alpha is 0.8 or more, its whole interval too.
    Firm,
    /// Alpha is 0.667 or more, its whole interval too.
    Tentative,
    /// The interval holds 0.667.
    Undecided,
    /// Alpha is below 0.667.
    Weak,
    /// The interval of alpha holds 0 or lies below: no more than chance.
    Chance,
    /// Alpha is low because one label prevails; where answers are compared, they mostly agree.
    Prevalence,
    /// Alpha is unknown.
    Unknown,
}

pub(super) fn cautions(found: &Agreement) -> Vec<Caution> {
    let mut cautions = Vec::new();
    let figures = &found.coefficients;
    let used: Vec<_> = found.classes.iter().filter(|class| class.answers > 0).collect();
    if found.compared > 0 && figures.alpha_nominal.value().is_none() && used.len() <= 1 {
        cautions.push(Caution::OneClass);
    }
    let most = used.iter().max_by_key(|class| class.answers);
    if let (Some(class), Some(observed), Some(alpha), Some(ac1)) =
        (most, figures.observed.value(), figures.alpha_nominal.value(), figures.ac1.value())
    {
        let share = class.answers as f64 / found.answers.max(1) as f64;
        if share >= PREVALENT && ac1 - alpha >= GAP {
            cautions.push(Caution::Prevalence { class: class.class, share, observed, alpha, ac1 });
        }
    }
    if found.compared < found.items {
        cautions.push(Caution::SingleAnswers { items: found.items - found.compared, of: found.items });
    }
    if found.compared > 0 && found.compared < FEW_ITEMS {
        cautions.push(Caution::FewItems { items: found.compared });
    }
    for class in used.iter().filter(|class| class.answers < FEW_ANSWERS) {
        cautions.push(Caution::RareClass { class: class.class, answers: class.answers });
    }
    let alone: Vec<u32> = found.per_annotator.iter().filter(|one| one.compared == 0).map(|one| one.annotator).collect();
    if !alone.is_empty() {
        cautions.push(Caution::NoOverlap { count: alone.len(), annotators: alone.into_iter().take(100).collect() });
    }
    for one in &found.per_annotator {
        let share = one.favourite_share;
        if one.answers >= 10 && share >= NEARLY_ALWAYS && used.len() > 1 {
            let answers = found.classes[usize::from(one.favourite)].answers as f64;
            // Where nearly all answers are of one label, an annotator who gives it is no surprise.
            if answers / (found.answers.max(1) as f64) < 0.9 {
                cautions.push(Caution::NearlyConstant { annotator: one.annotator, class: one.favourite, share });
            }
        }
        if let Measured::Known { value, high, .. } = &one.kappa
            && *high < 0.0
            && one.compared >= 10
        {
            cautions.push(Caution::WorseThanChance { annotator: one.annotator, kappa: *value });
        }
    }
    if found.repeated > 0 {
        cautions.push(Caution::Repeated { answers: found.repeated, put_aside: found.put_aside });
    }
    cautions
}

pub(super) fn verdict(found: &Agreement) -> Verdict {
    let Measured::Known { low, high, .. } = &found.coefficients.alpha else { return Verdict::Unknown };
    if *low >= FIRM {
        Verdict::Firm
    } else if *low >= TENTATIVE {
        Verdict::Tentative
    } else if *high >= TENTATIVE {
        Verdict::Undecided
    } else if found.cautions.iter().any(|caution| matches!(caution, Caution::Prevalence { .. })) && *low > 0.0 {
        Verdict::Prevalence
    } else if *low <= 0.0 {
        Verdict::Chance
    } else {
        Verdict::Weak
    }
}

impl Caution {
    /// The caution as a sentence, with the names of labels and annotators.
    pub fn sentence(&self, label: impl Fn(Class) -> String, annotator: impl Fn(u32) -> String) -> String {
        match self {
            Self::Prevalence { class, share, observed, alpha, ac1 } => format!(
                "{:.0} % of the answers are `{}`, so annotators would agree often by chance alone: alpha is low ({alpha:.2}) \
                 although {:.0} % of the pairs of answers agree and AC1 is {ac1:.2}. None of them is wrong; look at the \
                 agreement on each label, above all on the rare ones",
                share * 100.0,
                label(*class),
                observed * 100.0
            ),
            Self::OneClass => "all answers that can be compared are of one label: that is neither agreement nor \
                               disagreement beyond chance, so alpha and the kappas are not defined"
                .to_owned(),
            Self::SingleAnswers { items, of } => {
                format!("{items} of {of} items have one answer and say nothing about agreement")
            }
            Self::FewItems { items } => {
                format!(
                    "{items} items carry the figures; with fewer than {FEW_ITEMS} the intervals come out too narrow"
                )
            }
            Self::RareClass { class, answers } => {
                format!("{answers} answers name `{}`, so the figures of that label rest on little", label(*class))
            }
            Self::NoOverlap { annotators, count } => {
                let names: Vec<String> =
                    annotators.iter().take(5).map(|one| format!("`{}`", annotator(*one))).collect();
                let more = if *count > 5 { " and others" } else { "" };
                format!("nobody else answered the items of {count} annotators: {}{more}", names.join(", "))
            }
            Self::NearlyConstant { annotator: one, class, share } => {
                format!("`{}` says `{}` in {:.0} % of its answers", annotator(*one), label(*class), share * 100.0)
            }
            Self::WorseThanChance { annotator: one, kappa } => format!(
                "`{}` agrees with the others less than chance would (kappa {kappa:.2}): perhaps it has labels swapped",
                annotator(*one)
            ),
            Self::Repeated { answers, put_aside } => format!(
                "{answers} answers repeat an annotator's answer about the same item; {put_aside} of them were put aside"
            ),
        }
    }
}

impl Agreement {
    /// What the figures mean, in one or two sentences.
    pub fn meaning(&self) -> String {
        let alpha = &self.coefficients.alpha;
        let brief = alpha.brief();
        match self.verdict {
            Verdict::Firm => format!(
                "Alpha is {brief}: annotators agree well enough (0.8 or more) that single labels can mostly be relied upon."
            ),
            Verdict::Tentative => format!(
                "Alpha is {brief}: enough for tentative conclusions (0.667 or more), not for relying on single labels. \
                 Fuse several answers per item."
            ),
            Verdict::Undecided => format!(
                "Alpha is {brief}: the interval reaches from below to above 0.667, the least for tentative conclusions. \
                 More items with two or more answers would decide it."
            ),
            Verdict::Weak => format!(
                "Alpha is {brief}: below 0.667, the least for tentative conclusions. One annotator's label cannot be relied \
                 upon; sharpen the guidelines, collect more answers per item, or keep the disagreement as it is when people \
                 rightly differ."
            ),
            Verdict::Chance => format!(
                "Alpha is {brief}: no better than chance. Nothing should be built on these labels before the guidelines \
                 and the annotators are looked at."
            ),
            Verdict::Prevalence => format!(
                "Alpha is {brief}: annotators agree on the common label and much less on the rare ones. Take the labels of \
                 rare classes from several answers, not from one."
            ),
            Verdict::Unknown => match alpha {
                Measured::Unknown { reason } => format!("How far annotators agree cannot be known: {reason}."),
                Measured::Known { .. } => String::new(),
            },
        }
    }
}
