//! Judges on given labels: several annotators, mostly models, answer anew; where they agree with each other against the
//! given label, it is probably wrong (Nahum et al. 2024, <https://arxiv.org/abs/2410.18889>).
//!
//! Judges share mistakes, so the share of flagged labels is no error rate. The rate comes from a check by people of a
//! sample that is stratified by how many judges disagree.

use serde::Serialize;

use super::depth::Checked;
use super::source::NO_LABEL;
use crate::audit::wilson;
use crate::error::{Error, Result};
use crate::measured::Measured;
use crate::random::Random;
use crate::task::Class;

/// How judges are heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgeSettings {
    /// The half-width at 95 % that the estimated error rate should get from the check.
    pub half_width: f64,
    /// Draws the items to check.
    pub seed: u64,
}

impl Default for JudgeSettings {
    fn default() -> Self {
        Self { half_width: 0.03, seed: 0 }
    }
}

/// What judges make of one given label.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct JudgedItem {
    /// The position of the item.
    pub item: u32,
    /// Its label.
    pub given: Class,
    /// What most of the judges that disagree say.
    pub suggested: Class,
    /// How many judged it.
    pub judges: u32,
    /// The share of judges that disagree.
    pub disagreement: f64,
    /// How sure those that say the suggested class are: their mean confidence, or 1 where it is not known, times their
    /// share of those that disagree.
    pub confidence: f64,
    /// `disagreement x confidence`, by which items are ranked, highest first.
    pub score: f64,
}

/// A part of the items by how many judges disagree.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Stratum {
    /// In words.
    pub name: &'static str,
    /// How many items.
    pub items: usize,
    /// How many of them to check for the interval asked for, before any was checked.
    pub to_check: usize,
    /// How many were checked.
    pub checked: usize,
    /// The share of wrong labels in it.
    pub error_rate: Measured,
}

/// Which items to check.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CheckPlan {
    /// The parts.
    pub strata: Vec<Stratum>,
    /// The items drawn, in the order of the items.
    pub draw: Vec<u32>,
}

/// What judges make of all labels.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// Items that at least one judge disagrees on, worst first.
    pub flagged: Vec<JudgedItem>,
    /// Items with a label and at least one judge.
    pub items: usize,
    /// Items with a label that nobody judged.
    pub unjudged: usize,
    /// What to check.
    pub plan: CheckPlan,
    /// The share of wrong labels among the judged items.
    pub error_rate: Measured,
}

/// Names, and the shares of errors that the plan supposes before anything is known: the published checks found few errors
/// where judges agree with the label and about half where all disagree.
const STRATA: [(&str, f64); 4] =
    [("no judge disagrees", 0.02), ("less than half", 0.1), ("half or more", 0.3), ("all disagree", 0.5)];

/// The least number of items checked per stratum.
const LEAST: usize = 10;

fn stratum(disagreement: f64) -> usize {
    match disagreement {
        0.0 => 0,
        share if share < 0.5 => 1,
        share if share < 1.0 => 2,
        _ => 3,
    }
}

/// Confronts given labels with the answers of judges: the i-th answer is `class[i]` about `item[i]`, with a confidence
/// from 0 to 1, NaN where it is not known. `checked` are verdicts of people, if there are any yet.
///
/// The sample to check is allocated by Neyman's rule (in proportion to the size of a stratum times its standard
/// deviation), the rate is the stratified mean, its interval Wilson's with the effective number of checked items. Verdicts
/// are taken for a random sample of each stratum, which holds for the items that the plan draws.
///
/// # Errors
/// Slices of different length, an item beyond the labels, or no answer about a labelled item.
pub fn judge(
    labels: &[Class],
    (item, class, confidence): (&[u32], &[Class], Option<&[f32]>),
    checked: &[Checked],
    settings: &JudgeSettings,
) -> Result<Judged> {
    if item.len() != class.len() || confidence.is_some_and(|all| all.len() != item.len()) {
        return Err(Error::input(format!("expected one class per answer ({}), found {}", item.len(), class.len())));
    }
    if let Some(beyond) = item.iter().find(|&&item| item as usize >= labels.len()) {
        return Err(Error::input(format!("expected items below {}, found {beyond}", labels.len())));
    }
    let mut order: Vec<u32> = (0..item.len() as u32).collect();
    order.sort_by_key(|&answer| item[answer as usize]);
    let (mut judged, mut tally): (Vec<JudgedItem>, Vec<(Class, f64, f64)>) = (Vec::new(), Vec::new());
    for group in order.chunk_by(|&left, &right| item[left as usize] == item[right as usize]) {
        let about = item[group[0] as usize];
        let given = labels[about as usize];
        if given == NO_LABEL {
            continue;
        }
        tally.clear();
        let mut against = 0.0;
        for &answer in group {
            let said = class[answer as usize];
            if said == given {
                continue;
            }
            against += 1.0;
            let sure = confidence.map_or(f32::NAN, |all| all[answer as usize]);
            let sure = if sure.is_nan() { 1.0 } else { f64::from(sure) };
            match tally.iter_mut().find(|one| one.0 == said) {
                Some(one) => *one = (said, one.1 + 1.0, one.2 + sure),
                None => tally.push((said, 1.0, sure)),
            }
        }
        tally.sort_by(|left, right| right.2.total_cmp(&left.2).then(left.0.cmp(&right.0)));
        let disagreement = against / group.len() as f64;
        let (suggested, confidence) = tally.first().map_or((given, 0.0), |one| (one.0, one.2 / against));
        judged.push(JudgedItem {
            item: about,
            given,
            suggested,
            judges: group.len() as u32,
            disagreement,
            confidence,
            score: disagreement * confidence,
        });
    }
    if judged.is_empty() {
        return Err(Error::input("expected judges' answers about labelled items, found none"));
    }
    let labelled = labels.iter().filter(|&&label| label != NO_LABEL).count();
    let (plan, error_rate) = plan(&judged, checked, settings);
    let items = judged.len();
    judged.retain(|one| one.disagreement > 0.0);
    judged.sort_by(|left, right| right.score.total_cmp(&left.score).then(left.item.cmp(&right.item)));
    Ok(Judged { flagged: judged, items, unjudged: labelled - items, plan, error_rate })
}

fn plan(judged: &[JudgedItem], checked: &[Checked], settings: &JudgeSettings) -> (CheckPlan, Measured) {
    let mut members: [Vec<u32>; 4] = Default::default();
    for one in judged {
        members[stratum(one.disagreement)].push(one.item);
    }
    let total = judged.len() as f64;
    let spread = |number: usize| {
        let share = STRATA[number].1;
        members[number].len() as f64 / total * (share * (1.0 - share)).sqrt()
    };
    let spreads: f64 = (0..4).map(spread).sum();
    let wanted = (1.96 * spreads / settings.half_width.max(1e-3)).powi(2);
    // What is drawn from few items tells more than from many.
    let wanted = wanted / (1.0 + wanted / total);
    let mut random = Random::for_purpose(settings.seed, "judges: items to check");
    let mut strata = Vec::new();
    let mut draw = Vec::new();
    let (mut rate, mut variance, mut seen_in_all, mut missing) = (0.0, 0.0, 0.0, None);
    for (number, &(name, _)) in STRATA.iter().enumerate() {
        let items = &members[number];
        let share = if spreads > 0.0 { spread(number) / spreads } else { 0.0 };
        let to_check = ((wanted * share).ceil() as usize).max(LEAST).min(items.len());
        draw.extend(random.sample(items.len(), to_check).into_iter().map(|place| items[place]));
        let (mut seen, mut wrong) = (0.0, 0.0);
        for one in checked.iter().filter(|one| items.binary_search(&one.item).is_ok()) {
            seen += 1.0;
            wrong += f64::from(u8::from(one.wrong));
        }
        let error_rate = if seen > 0.0 {
            let basis = format!("{seen} checked of {} items", items.len());
            Measured::known(wrong / seen, wilson(wrong / seen, seen), basis)
        } else {
            Measured::unknown("no item of this part was checked")
        };
        if seen > 0.0 {
            let weight = items.len() as f64 / total;
            rate += weight * wrong / seen;
            variance += weight * weight / seen;
            seen_in_all += seen;
        } else if !items.is_empty() {
            missing.get_or_insert(name);
        }
        strata.push(Stratum { name, items: items.len(), to_check, checked: seen as usize, error_rate });
    }
    draw.sort_unstable();
    let error_rate = if let Some(name) = missing {
        Measured::unknown(format!("no item was checked of those where {name}: check the drawn items"))
    } else {
        let rate = rate.clamp(0.0, 1.0);
        let basis = format!("{seen_in_all} checked items, stratified by the judges' disagreement");
        Measured::known(rate, wilson(rate, 1.0 / variance), basis)
    };
    (CheckPlan { strata, draw }, error_rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unanimous_and_sure_judges_come_first() {
        let labels = [0, 0, 0, NO_LABEL, 1];
        let item = [2, 2, 1, 1, 0, 0, 3];
        let class = [1, 1, 1, 0, 0, 0, 1];
        let found = judge(&labels, (&item, &class, None), &[], &JudgeSettings::default()).unwrap();
        let items: Vec<u32> = found.flagged.iter().map(|one| one.item).collect();
        assert_eq!((items.as_slice(), found.items, found.unjudged), ([2, 1].as_slice(), 3, 1));
        assert!(found.error_rate.value().is_none());
        let unsure = [0.1, 0.1, 0.9, 0.9, 1.0, 1.0, 1.0];
        let found = judge(&labels, (&item, &class, Some(&unsure)), &[], &JudgeSettings::default()).unwrap();
        assert_eq!(found.flagged[0].item, 1);
    }

    #[test]
    fn the_stratified_rate_covers_the_truth() {
        let mut random = Random::new(9);
        let labels = vec![0 as Class; 2000];
        let (mut item, mut class, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for number in 0..2000 {
            let is_wrong = random.unit() < 0.1;
            wrong.push(is_wrong);
            for _ in 0..3 {
                item.push(number);
                class.push(Class::from(random.unit() < if is_wrong { 0.7 } else { 0.1 }));
            }
        }
        let plan = judge(&labels, (&item, &class, None), &[], &JudgeSettings::default()).unwrap().plan;
        let checked: Vec<Checked> =
            plan.draw.iter().map(|&item| Checked { item, wrong: wrong[item as usize] }).collect();
        let found = judge(&labels, (&item, &class, None), &checked, &JudgeSettings::default()).unwrap();
        let truth = wrong.iter().filter(|&&wrong| wrong).count() as f64 / 2000.0;
        let Measured::Known { low, high, .. } = found.error_rate else { panic!() };
        assert!(low <= truth && truth <= high && high - low < 0.12, "{low} {truth} {high}");
    }

    #[test]
    fn answers_that_do_not_fit_are_refused() {
        let settings = JudgeSettings::default();
        assert!(judge(&[0], (&[1], &[0], None), &[], &settings).is_err());
        assert!(judge(&[0], (&[0], &[], None), &[], &settings).is_err());
        assert!(judge(&[0], (&[], &[], None), &[], &settings).is_err());
    }
}
