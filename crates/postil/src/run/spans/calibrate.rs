//! Confidences that mean what they say.
//!
//! The hidden chain takes annotators for independent once the truth is known, and a student is as sure as it is that its
//! teachers would agree. Both are surer than they are right. The log-odds of their confidences are scaled and shifted (Platt
//! 1999): by what gold says where there is some, and where there is none by what other data needed.

use super::gold::Placed;
use super::label::Stretch;
use postil_core::sequences::TokenSpan;

/// Log-odds are multiplied by the slope and then shifted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Calibration {
    slope: f64,
    shift: f64,
    /// On how many stretches it was fitted.
    stretches: usize,
}

/// How far gold may be expected to lead from what is assumed, as standard deviations.
const SPREAD: [f64; 2] = [0.3, 0.7];

impl Calibration {
    /// What is assumed of people without gold: names marked by a crowd (ner_mturk, calibration error .16) need slope .3 and
    /// shift -.3.
    const PEOPLE: Self = Self { slope: 0.35, shift: -0.4, stretches: 0 };
    /// What is assumed of lists and programs, which are right more often than their few votes say (Wikipedia .42 and .82).
    const PROGRAMS: Self = Self { slope: 0.4, shift: 0.5, stretches: 0 };
    /// What is assumed of spans that a student finds where its teachers have found none: of those it is surest of, half
    /// are right.
    pub(super) const ADDED: Self = Self { slope: 0.5, shift: -3.0, stretches: 0 };

    /// What is assumed without gold.
    pub(super) const fn usual(one_sided: bool) -> Self {
        if one_sided { Self::PROGRAMS } else { Self::PEOPLE }
    }

    /// Fits a calibration and changes all confidences by it; says what was done.
    pub(super) fn fit_and_apply(self, stretches: &mut [Vec<Stretch>], known: &[(&Placed, &[TokenSpan])]) -> String {
        let fitted = self.fit(stretches, known);
        fitted.apply(stretches);
        fitted.words()
    }

    /// The likeliest calibration given the stretches of texts whose spans are known, with this one for a start.
    fn fit(self, stretches: &[Vec<Stretch>], known: &[(&Placed, &[TokenSpan])]) -> Self {
        let mut seen: Vec<(f64, f64)> = Vec::new();
        for (part, spans) in known {
            for one in stretches[part.position as usize].iter().filter(|one| part.covers(one.span)) {
                seen.push((odds(one.confidence), f64::from(u8::from(spans.contains(&one.span)))));
            }
        }
        let mean = [self.slope, self.shift];
        let prior = SPREAD.map(|spread| spread.powi(-2));
        let loss = |at: [f64; 2]| {
            let strange: f64 = (0..2).map(|place| prior[place] * (at[place] - mean[place]).powi(2) / 2.0).sum();
            let missed = seen.iter().map(|&(odds, right)| {
                let own = at[0] * odds + at[1];
                let against = if right > 0.5 { -own } else { own };
                against.max(0.0) + (-against.abs()).exp().ln_1p()
            });
            strange + missed.sum::<f64>()
        };
        let mut at = mean;
        let mut before = loss(at);
        // The objective is convex in two numbers. Newton's method needs a few steps, shorter ones far from the end.
        for _ in 0..50 {
            let mut gradient = [0, 1].map(|place| prior[place] * (at[place] - mean[place]));
            let (mut a, mut b, mut d) = (prior[0], 0.0, prior[1]);
            for &(odds, right) in &seen {
                let expected = logistic(at[0] * odds + at[1]);
                gradient[0] += (expected - right) * odds;
                gradient[1] += expected - right;
                let weight = expected * (1.0 - expected);
                a += weight * odds * odds;
                b += weight * odds;
                d += weight;
            }
            let determinant = a * d - b * b;
            let mut step =
                [(d * gradient[0] - b * gradient[1]) / determinant, (a * gradient[1] - b * gradient[0]) / determinant];
            let next = (0..30).find_map(|_| {
                let next = [at[0] - step[0], at[1] - step[1]];
                let reached = loss(next);
                step = step.map(|step| step / 2.0);
                (reached < before).then_some((next, reached))
            });
            let Some((next, reached)) = next else { break };
            let gain = before - reached;
            (at, before) = (next, reached);
            if gain < 1e-10 {
                break;
            }
        }
        // Confidences must keep their order.
        Self { slope: at[0].max(0.05), shift: at[1], stretches: seen.len() }
    }

    /// Changes all confidences.
    fn apply(self, stretches: &mut [Vec<Stretch>]) {
        for one in stretches.iter_mut().flatten() {
            one.confidence = logistic(self.slope * odds(one.confidence) + self.shift) as f32;
        }
    }

    /// What was done, in words.
    fn words(self) -> String {
        if self.stretches == 0 {
            return "confidences are shrunk as other data needed it: no gold fits".to_owned();
        }
        format!("confidences are fitted to the {} marked or doubted stretches of gold that fits", self.stretches)
    }
}

fn odds(confidence: f32) -> f64 {
    let confidence = f64::from(confidence).clamp(1e-4, 1.0 - 1e-4);
    (confidence / (1.0 - confidence)).ln()
}

fn logistic(odds: f64) -> f64 {
    1.0 / (1.0 + (-odds).exp())
}

#[cfg(test)]
mod tests {
    use postil_core::audit::GoldPart;

    use super::*;

    /// A text of 400 stretches that are stated at .95, of which `right` of ten are right.
    fn text(right: u32) -> (Placed, Vec<Vec<Stretch>>, Vec<TokenSpan>) {
        let span = |at: u32| TokenSpan { start: at, end: at + 1, class: 0 };
        let stretches = (0..400).map(|at| Stretch { span: span(at), confidence: 0.95, written: true }).collect();
        let known = (0..400).filter(|at| at % 10 < right).map(span).collect();
        let part = Placed { position: 0, tokens: 0..400, spans: Vec::new(), part: GoldPart::Fit, weight: 1.0 };
        (part, vec![stretches], known)
    }

    #[test]
    fn confidences_become_what_gold_shows() {
        for right in [3, 6, 8] {
            let (part, mut stretches, known) = text(right);
            Calibration::PEOPLE.fit_and_apply(&mut stretches, &[(&part, &known)]);
            let stated = f64::from(stretches[0][0].confidence);
            assert!((stated - f64::from(right) / 10.0).abs() < 0.02, "{right}: {stated}");
        }
    }

    #[test]
    fn without_gold_confidences_shrink_and_keep_their_order() {
        let (_, mut stretches, _) = text(0);
        stretches[0][0].confidence = 0.3;
        assert_eq!(Calibration::PEOPLE.fit(&stretches, &[]), Calibration::PEOPLE);
        let words = Calibration::PEOPLE.fit_and_apply(&mut stretches, &[]);
        assert!(words.contains("no gold fits"), "{words}");
        let [low, high] = [stretches[0][0].confidence, stretches[0][1].confidence];
        assert!(low < high && high < 0.95, "{low} {high}");
    }
}
