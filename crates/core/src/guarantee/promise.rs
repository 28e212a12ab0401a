//! A threshold above which at most a given share of the labels is wrong.

use serde::Serialize;

use super::evidence::{Test, upper, weighted_risk};
use crate::audit::wilson;
use crate::distribution::binomial_cdf;
use crate::error::{Error, Result};
use crate::measured::Measured;

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PromiseSettings {
    /// The largest share of wrong labels among those accepted.
    pub risk: f64,
    /// The confidence of the promise: at most one minus this of all gold samples lead to a promise that is broken.
    pub confidence: f64,
}

impl Default for PromiseSettings {
    fn default() -> Self {
        Self { risk: 0.05, confidence: 0.95 }
    }
}

/// A gold label compared with the label given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoldCheck {
    /// The item's position among the confidences.
    pub item: u32,
    /// Whether the label given is wrong.
    pub wrong: bool,
    /// The probability with which the item was drawn; `None` in a simple random sample.
    pub probability: Option<f64>,
}

/// What can be promised.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Promise {
    /// The risk asked for.
    pub risk: f64,
    /// The confidence asked for.
    pub confidence: f64,
    /// Accept labels with at least this confidence; `None` if nothing can be promised.
    pub threshold: Option<f64>,
    /// How many of the items that accepts.
    pub accepted: usize,
    /// All items.
    pub items: usize,
    /// Gold labels it rests on.
    pub gold: usize,
    /// The share accepted, with the interval for further items from the same source.
    pub share: Measured,
    /// The share of wrong labels among the accepted, as estimated.
    pub error: Measured,
    /// If nothing can be promised: about how many more gold labels would do, if that would help.
    pub more_gold: Option<usize>,
    /// Which test the promise rests on, and what it assumes.
    pub basis: String,
    /// One plain sentence.
    pub sentence: String,
    /// Risk against coverage, from the strictest threshold to accepting everything.
    pub curve: Vec<RiskPoint>,
}

/// One threshold.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RiskPoint {
    /// Accept labels with at least this confidence.
    pub threshold: f64,
    /// The share of the items that accepts.
    pub share: f64,
    /// Gold labels among them.
    pub gold: usize,
    /// Wrong ones among those.
    pub wrong: usize,
    /// The estimated share of wrong labels among the accepted; `None` without gold there.
    pub risk: Option<f64>,
    /// The upper bound on it at the confidence asked for, for this threshold by itself.
    pub upper: f64,
    /// Whether the promise holds at this threshold.
    pub promised: bool,
}

/// Thresholds that are tried.
const MOST_THRESHOLDS: usize = 100;
/// Where the error budget enters the sequence of thresholds: so much of it where the confidences themselves, taken for
/// probabilities, make success at a large share likeliest, and the rest where the gold expected is so many times the
/// least that could prove the promise without a single error.
const PREDICTED: f64 = 0.6;
const ENTRIES: [(f64, f64); 2] = [(1.6, 0.25), (3.2, 0.15)];

/// Finds the lowest threshold of confidence above which at most `risk` of the labels are wrong, so that with
/// probability `confidence` over the draw of the gold sample the promise is kept on these items.
///
/// Learn-then-test (Angelopoulos, Bates, Candes, Jordan, Lei 2021, <https://arxiv.org/abs/2110.01052>): thresholds are
/// fixed by the confidences alone and tested from strict to lax; a test that succeeds hands its error budget on to the
/// next (the fallback procedure of Wiens 2003), so the chance of any false success is at most one minus the
/// confidence. In a simple random sample a threshold is tested exactly: given how many gold items it accepts, the wrong
/// ones among them are hypergeometric. With unequal probabilities the test is the mean over a grid of `l` of the
/// products of `1 - l (wrong - risk) / pi` over accepted gold items: each has expectation at most one if the risk is
/// too high (for Poisson sampling by the inequality of the means, for stratified sampling without replacement by
/// Hoeffding's comparison), so by Markov's inequality its inverse is a p-value.
///
/// Assumes that gold was drawn at random from these items with the probabilities given, not by confidence or by hand,
/// and that the labels were not learnt from it. For items to come the promise holds as far as they are like these.
///
/// # Errors
/// Risk or confidence outside (0, 1), confidences that are no numbers, gold about items that do not exist or about one
/// item twice, probabilities outside (0, 1], or known for some gold items only.
pub fn promise(confidences: &[f64], gold: &[GoldCheck], settings: &PromiseSettings) -> Result<Promise> {
    check(confidences, gold, settings)?;
    let test = Test::new(gold, settings);
    let thresholds = thresholds(confidences);
    let mut by_confidence: Vec<&GoldCheck> = gold.iter().collect();
    by_confidence.sort_by(|a, b| {
        confidences[b.item as usize].total_cmp(&confidences[a.item as usize]).then(a.item.cmp(&b.item))
    });
    let mut curve = Vec::with_capacity(thresholds.len());
    let mut carried = 0.0;
    let mut found: Option<usize> = None;
    let entries = entries(confidences, &thresholds, &test, gold.len(), settings);
    for (number, &(threshold, accepted)) in thresholds.iter().enumerate() {
        let count = by_confidence.partition_point(|gold| confidences[gold.item as usize] >= threshold);
        let inside = &by_confidence[..count];
        let wrong = inside.iter().filter(|gold| gold.wrong).count();
        let level = carried + entries[number] * (1.0 - settings.confidence);
        let p = test.p_value(inside, wrong, accepted);
        let promised = level > 0.0 && p <= level;
        carried = if promised { level } else { 0.0 };
        if promised {
            found = Some(number);
        }
        let (risk, _) = weighted_risk(inside);
        curve.push(RiskPoint {
            threshold,
            share: accepted as f64 / confidences.len().max(1) as f64,
            gold: count,
            wrong,
            risk,
            upper: upper(inside, wrong, 1.0 - settings.confidence),
            promised,
        });
    }
    let more_gold = if found.is_some() { None } else { more(&curve, gold.len(), settings) };
    let accepted = found.map_or(0, |number| thresholds[number].1);
    let threshold = found.map(|number| thresholds[number].0);
    let percent = |value: f64| format!("{}", (value * 1000.0).round() / 10.0);
    let (risk, confidence) = (percent(settings.risk), percent(settings.confidence));
    let sentence = match (threshold, more_gold) {
        (Some(threshold), _) => format!(
            "accept labels with a confidence of at least {threshold:.4}: {accepted} of {} items ({} %); at most {risk} % \
             of them are wrong, with {confidence} % confidence",
            confidences.len(),
            percent(accepted as f64 / confidences.len() as f64)
        ),
        (None, Some(more)) => format!(
            "at most {risk} % wrong cannot be promised with {confidence} % confidence on {} gold labels; about {more} more \
             would be enough, if the errors stay as rare as they seem",
            gold.len()
        ),
        (None, None) => format!(
            "at most {risk} % wrong cannot be promised: no part of the labels seems that good, and more gold would not \
             change it; better labels would",
        ),
    };
    let inside = found.map_or(&by_confidence[..0], |number| &by_confidence[..curve[number].gold]);
    Ok(Promise {
        risk: settings.risk,
        confidence: settings.confidence,
        threshold,
        accepted,
        items: confidences.len(),
        gold: gold.len(),
        share: share_of(accepted, confidences.len(), threshold.is_some()),
        error: error_of(inside),
        more_gold,
        basis: test.basis(gold.len()),
        sentence,
        curve,
    })
}

fn check(confidences: &[f64], gold: &[GoldCheck], settings: &PromiseSettings) -> Result<()> {
    for (name, value) in [("risk", settings.risk), ("confidence", settings.confidence)] {
        if !(value > 0.0 && value < 1.0) {
            return Err(Error::task(format!("expected a {name} between 0 and 1, found {value}")));
        }
    }
    if let Some(place) = confidences.iter().position(|value| !value.is_finite()) {
        return Err(Error::input(format!("expected a confidence beside every label, found none at row {}", place + 1)));
    }
    let mut seen: Vec<u32> = gold.iter().map(|gold| gold.item).collect();
    seen.sort_unstable();
    if let Some(item) = seen.windows(2).find_map(|pair| (pair[0] == pair[1]).then_some(pair[0])) {
        return Err(Error::input(format!("expected each gold item once, found item {item} twice")));
    }
    if seen.last().is_some_and(|&last| last as usize >= confidences.len()) {
        return Err(Error::input("expected gold about items that have a label, found another"));
    }
    if let Some(probability) = gold.iter().filter_map(|gold| gold.probability).find(|p| !(*p > 0.0 && *p <= 1.0)) {
        return Err(Error::input(format!(
            "expected an inclusion probability above 0 and at most 1, found {probability}"
        )));
    }
    let known = gold.iter().filter(|gold| gold.probability.is_some()).count();
    if known != 0 && known != gold.len() {
        return Err(Error::input(format!(
            "expected an inclusion probability for all gold labels or for none, found {known} of {}",
            gold.len()
        ))
        .hint("a sample in which some chances are unknown proves nothing: leave those labels out"));
    }
    Ok(())
}

/// Thresholds with the number of items each accepts, from strict to lax: distinct confidences at even steps.
fn thresholds(confidences: &[f64]) -> Vec<(f64, usize)> {
    let mut sorted = confidences.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut all: Vec<(f64, usize)> = Vec::new();
    for (place, &value) in sorted.iter().enumerate() {
        match all.last_mut() {
            Some(last) if last.0 == value => last.1 = place + 1,
            _ => all.push((value, place + 1)),
        }
    }
    let step = sorted.len().div_ceil(MOST_THRESHOLDS).max(1);
    let mut kept: Vec<(f64, usize)> = Vec::new();
    let mut next = step;
    let last = all.len().saturating_sub(1);
    for (number, &(value, count)) in all.iter().enumerate() {
        if count >= next || number == last {
            kept.push((value, count));
            next = count + step;
        }
    }
    kept
}

/// The share of the error budget that enters at each threshold. Nothing here looks at the gold beyond its number, or the
/// sequence would not be fixed.
fn entries(
    confidences: &[f64],
    thresholds: &[(f64, usize)],
    test: &Test,
    gold: usize,
    settings: &PromiseSettings,
) -> Vec<f64> {
    let mut entries = vec![0.0; thresholds.len()];
    if thresholds.is_empty() {
        return entries;
    }
    let items = confidences.len() as f64;
    let expected = |accepted: usize| gold as f64 * accepted as f64 / items;
    let last = thresholds.len() - 1;
    let budget = 1.0 - settings.confidence;
    let mut rest = 1.0;
    if confidences.iter().all(|confidence| (0.0..=1.0).contains(confidence)) {
        let mut sorted = confidences.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let (mut sum, mut counted) = (0.0, 0);
        let mut best = (0.0, None);
        for (place, &(_, accepted)) in thresholds.iter().enumerate() {
            sum += sorted[counted..accepted].iter().map(|confidence| 1.0 - confidence).sum::<f64>();
            counted = accepted;
            let chance = test.chance(sum / accepted as f64, expected(accepted), PREDICTED * budget);
            let worth = chance * accepted as f64;
            if worth > best.0 {
                best = (worth, Some(place));
            }
        }
        if let Some(place) = best.1 {
            entries[place] += PREDICTED;
            rest -= PREDICTED;
        }
    }
    let shares: f64 = ENTRIES.iter().map(|(_, share)| share).sum();
    for (times, share) in ENTRIES {
        let share = share / shares * rest;
        let least = ((share * budget).ln() / (-settings.risk).ln_1p()).max(1.0);
        let place = thresholds.iter().position(|&(_, accepted)| expected(accepted) >= times * least).unwrap_or(last);
        entries[place] += share;
    }
    entries
}

fn share_of(accepted: usize, items: usize, promised: bool) -> Measured {
    if !promised {
        return Measured::unknown("no threshold keeps the promise with this gold");
    }
    let share = accepted as f64 / items as f64;
    Measured::known(share, wilson(share, items as f64), format!("{items} items; the interval is for further ones"))
}

fn error_of(inside: &[&GoldCheck]) -> Measured {
    let (share, effective) = weighted_risk(inside);
    match share {
        None => Measured::unknown("no gold label among the accepted"),
        Some(share) => Measured::known(
            share,
            wilson(share, effective),
            format!("{} gold labels among the accepted, by which the threshold was chosen", inside.len()),
        ),
    }
}

/// About how many more gold labels would lead to a promise, if the share of errors at some threshold is what it seems.
fn more(curve: &[RiskPoint], gold: usize, settings: &PromiseSettings) -> Option<usize> {
    // Half the budget enters where the planned test is.
    let level = 0.5 * (1.0 - settings.confidence);
    let mut best: Option<f64> = None;
    let untried = gold == 0;
    for point in curve {
        // A little worse than it looks: an estimate from few errors is optimistic at the best threshold.
        let seems = if untried { 0.4 * settings.risk } else { (point.wrong as f64 + 0.5) / (point.gold as f64 + 1.0) };
        if seems >= 0.85 * settings.risk || point.share <= 0.0 || (!untried && point.gold < 10) {
            continue;
        }
        let enough = |count: u64| {
            let errors = (seems * count as f64).ceil() as u64;
            binomial_cdf(errors, count, settings.risk) <= level
        };
        let Some(count) = (1..40).map(|power| (20.0 * 1.25f64.powi(power)) as u64).find(|&count| enough(count)) else {
            continue;
        };
        let total = count as f64 / point.share;
        if best.is_none_or(|best| total < best) {
            best = Some(total);
        }
    }
    best.map(|total| (total.ceil() as usize).saturating_sub(gold).max(10))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Items whose labels are wrong with probability `(1 - confidence) / 2`.
    fn population(items: usize, seed: u64) -> (Vec<f64>, Vec<bool>) {
        let mut random = Random::new(seed);
        (0..items)
            .map(|_| {
                let confidence = random.unit().sqrt();
                (confidence, random.unit() < 0.5 * (1.0 - confidence))
            })
            .unzip()
    }

    fn broken(confidences: &[f64], wrong: &[bool], found: &Promise) -> bool {
        let Some(threshold) = found.threshold else { return false };
        let inside: Vec<bool> = confidences
            .iter()
            .zip(wrong)
            .filter(|(confidence, _)| **confidence >= threshold)
            .map(|(_, w)| *w)
            .collect();
        assert_eq!(inside.len(), found.accepted);
        inside.iter().filter(|wrong| **wrong).count() as f64 > found.risk * inside.len() as f64
    }

    #[test]
    fn promises_are_kept_over_many_draws_and_are_of_use() {
        let (confidences, wrong) = population(2000, 1);
        let settings = PromiseSettings { risk: 0.1, confidence: 0.95 };
        let (mut bad, mut made, mut share) = (0, 0, 0.0);
        for seed in 0..300 {
            let gold: Vec<GoldCheck> = Random::for_purpose(seed, "gold")
                .sample(2000, 300)
                .into_iter()
                .map(|item| GoldCheck { item: item as u32, wrong: wrong[item], probability: None })
                .collect();
            let found = promise(&confidences, &gold, &settings).unwrap();
            bad += usize::from(broken(&confidences, &wrong, &found));
            made += usize::from(found.threshold.is_some());
            share += found.accepted as f64 / 2000.0 / 300.0;
        }
        assert!(bad <= 24, "{bad} of 300 broken");
        assert!(made >= 180 && share > 0.2, "{made} made, share {share}");
    }

    #[test]
    fn unequal_chances_keep_the_promise_too() {
        // Unsure items are drawn five times as often, independently and in strata.
        let (confidences, wrong) = population(4000, 2);
        let settings = PromiseSettings { risk: 0.15, confidence: 0.9 };
        let chance = |confidence: f64| if confidence < 0.6 { 0.5 } else { 0.1 };
        let (mut bad, mut made) = (0, 0);
        for seed in 0..150 {
            let mut random = Random::for_purpose(seed, "poisson");
            let gold: Vec<GoldCheck> = (0..4000)
                .filter(|&item| random.unit() < chance(confidences[item]))
                .map(|item| GoldCheck {
                    item: item as u32,
                    wrong: wrong[item],
                    probability: Some(chance(confidences[item])),
                })
                .collect();
            let found = promise(&confidences, &gold, &settings).unwrap();
            bad += usize::from(broken(&confidences, &wrong, &found));
            made += usize::from(found.threshold.is_some());
        }
        assert!(bad <= 15 && made >= 60, "{bad} broken, {made} made of 150");
    }

    #[test]
    fn too_little_gold_is_said_with_what_would_do() {
        let confidences: Vec<f64> = (0..1000).map(|item| f64::from(item) / 1000.0).collect();
        let gold = |count: u32, bad: u32| -> Vec<GoldCheck> {
            (0..count)
                .map(|number| GoldCheck { item: number * 1000 / count, wrong: number < bad, probability: None })
                .collect()
        };
        let settings = PromiseSettings::default();
        let few = promise(&confidences, &gold(30, 0), &settings).unwrap();
        assert!(few.threshold.is_none() && few.more_gold.is_some_and(|more| (30..400).contains(&more)), "{few:?}");
        let bad = promise(&confidences, &gold(200, 120), &PromiseSettings { risk: 0.01, ..settings }).unwrap();
        assert!(bad.threshold.is_none(), "{}", bad.sentence);
        let good = promise(&confidences, &gold(200, 0), &settings).unwrap();
        assert_eq!(good.accepted, 1000);
        let none = promise(&confidences, &[], &settings).unwrap();
        assert!(none.threshold.is_none() && none.more_gold.is_some(), "{}", none.sentence);
        let empty = promise(&[], &[], &settings).unwrap();
        assert!(empty.threshold.is_none() && empty.curve.is_empty());
    }

    #[test]
    fn bad_input_is_refused() {
        let gold = |item, probability| GoldCheck { item, wrong: false, probability };
        let settings = PromiseSettings::default();
        let fails =
            |confidences: &[f64], gold: &[GoldCheck]| promise(confidences, gold, &settings).unwrap_err().to_string();
        assert!(fails(&[0.5, f64::NAN], &[]).contains("row 2"));
        assert!(fails(&[0.5], &[gold(1, None)]).contains("have a label"));
        assert!(fails(&[0.5], &[gold(0, None), gold(0, None)]).contains("twice"));
        assert!(fails(&[0.5], &[gold(0, Some(0.0))]).contains("above 0"));
        assert!(fails(&[0.5, 0.4], &[gold(0, Some(0.5)), gold(1, None)]).contains("1 of 2"));
        assert!(promise(&[0.5], &[], &PromiseSettings { risk: 0.0, confidence: 0.9 }).is_err());
    }
}
