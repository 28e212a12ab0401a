//! The hidden chain: which spans there are, before anybody speaks, and its probabilities once they have.

use super::input::TokenSpan;
use crate::task::Class;

/// States are outside (0), begin (`1 + 2t`) and inside (`2 + 2t`) of every type, and outside right after a span (the last),
/// where annotators that overrun differ from those that see a span where there is none. A span of type `t` goes on after
/// its first token with one probability and after later ones with another; what comes next depends on the type that ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) types: usize,
    /// Outside or the type that begins, at the first token.
    pub(super) start: Vec<f64>,
    /// `next[left * (types + 1) + entered]`: 0 is outside, `1 + t` a span of type `t`.
    pub(super) next: Vec<f64>,
    /// Whether a span of type `t` goes on: after its first token at `2t`, after another at `2t + 1`.
    pub(super) goes_on: Vec<f64>,
}

/// Expected counts behind a chain; the same shape.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ChainCounts {
    pub(super) start: Vec<f64>,
    pub(super) next: Vec<f64>,
    /// How often a span of type `t` went on, and how often it ended, after its first token and after others.
    pub(super) went_on: Vec<f64>,
    pub(super) ended: Vec<f64>,
}

impl ChainCounts {
    pub(super) fn new(types: usize) -> Self {
        Self {
            start: vec![0.0; types + 1],
            next: vec![0.0; (types + 1) * (types + 1)],
            went_on: vec![0.0; 2 * types],
            ended: vec![0.0; 2 * types],
        }
    }

    /// Adds `times` other counts.
    pub(super) fn merge(&mut self, other: &Self, times: f64) {
        let add = |into: &mut [f64], from: &[f64]| {
            into.iter_mut().zip(from).for_each(|(into, from)| *into += times * from);
        };
        add(&mut self.start, &other.start);
        add(&mut self.next, &other.next);
        add(&mut self.went_on, &other.went_on);
        add(&mut self.ended, &other.ended);
    }

    /// The likeliest chain, rows drawn to their average and to how spans of all types go on, by a few counts.
    pub(super) fn chain(&self) -> Chain {
        let types = (self.went_on.len()) / 2;
        let width = types + 1;
        // What is entered, whatever was left: rare types would have no row of their own.
        let mut entered: Vec<f64> =
            (0..width).map(|to| 1.0 + (0..width).map(|from| self.next[from * width + to]).sum::<f64>()).collect();
        entered.iter_mut().zip(&self.start).for_each(|(entered, start)| *entered += start);
        normalise(&mut entered);
        let drawn = |row: &[f64]| {
            let mut row: Vec<f64> = row.iter().zip(&entered).map(|(count, share)| count + 10.0 * share).collect();
            normalise(&mut row);
            row
        };
        let went: [f64; 2] = [0, 1].map(|late| self.went_on.iter().skip(late).step_by(2).sum());
        let ended: [f64; 2] = [0, 1].map(|late| self.ended.iter().skip(late).step_by(2).sum());
        let goes_on = (0..2 * types)
            .map(|place| {
                let late = place % 2;
                let mean = (went[late] + 1.0) / (went[late] + ended[late] + 2.0);
                (self.went_on[place] + 5.0 * mean) / (self.went_on[place] + self.ended[place] + 5.0)
            })
            .collect();
        Chain {
            types,
            start: drawn(&self.start),
            next: self.next.chunks_exact(width).flat_map(drawn).collect(),
            goes_on,
        }
    }
}

pub(super) fn normalise(row: &mut [f64]) {
    let sum: f64 = row.iter().sum();
    if sum > 0.0 {
        for cell in row {
            *cell /= sum;
        }
    }
}

/// Probabilities of one item.
#[derive(Clone, Debug, Default)]
pub(super) struct Lattice {
    tokens: usize,
    states: usize,
    emission: Vec<f64>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    scale: Vec<f64>,
    pub(super) log_likelihood: f64,
}

impl Lattice {
    /// Fills the lattice from logarithms of what was said given each state, `tokens x states` numbers; minus infinity
    /// forbids a state. `false` if nothing is possible.
    pub(super) fn fill(&mut self, chain: &Chain, said: &[f64]) -> bool {
        let states = 2 + 2 * chain.types;
        let tokens = said.len() / states;
        (self.tokens, self.states, self.log_likelihood) = (tokens, states, 0.0);
        for buffer in [&mut self.emission, &mut self.alpha, &mut self.beta] {
            buffer.clear();
            buffer.resize(said.len(), 0.0);
        }
        self.scale.clear();
        self.scale.resize(tokens, 1.0);
        for (row, into) in said.chunks_exact(states).zip(self.emission.chunks_exact_mut(states)) {
            let top = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if top == f64::NEG_INFINITY {
                return false;
            }
            self.log_likelihood += top;
            // A floor keeps the only possible path of contradicting annotators alive.
            into.iter_mut().zip(row).for_each(|(into, log)| {
                *into = if *log == f64::NEG_INFINITY { 0.0 } else { (log - top).exp().max(1e-120) };
            });
        }
        let mut left = vec![0.0; chain.types + 1];
        for token in 0..tokens {
            let (done, now) = self.alpha.split_at_mut(token * states);
            let now = &mut now[..states];
            if token == 0 {
                now[0] = chain.start[0];
                (0..chain.types).for_each(|class| now[1 + 2 * class] = chain.start[1 + class]);
            } else {
                let before = &done[(token - 1) * states..];
                leave(chain, before, &mut left);
                for (exit, (row, &mass)) in chain.next.chunks_exact(chain.types + 1).zip(&left).enumerate() {
                    now[if exit == 0 { 0 } else { states - 1 }] += mass * row[0];
                    (0..chain.types).for_each(|class| now[1 + 2 * class] += mass * row[1 + class]);
                }
                for class in 0..chain.types {
                    now[2 + 2 * class] = before[1 + 2 * class] * chain.goes_on[2 * class]
                        + before[2 + 2 * class] * chain.goes_on[2 * class + 1];
                }
            }
            let mut sum = 0.0;
            for (mass, emission) in now.iter_mut().zip(&self.emission[token * states..]) {
                *mass *= emission;
                sum += *mass;
            }
            if sum <= 1e-300 {
                return false;
            }
            for mass in &mut *now {
                *mass /= sum;
            }
            self.scale[token] = sum;
            self.log_likelihood += sum.ln();
        }
        if tokens > 0 {
            self.beta[(tokens - 1) * states..].fill(1.0);
        }
        let mut ahead = vec![0.0; states];
        for token in (1..tokens).rev() {
            self.ahead(token, &mut ahead);
            let before = &mut self.beta[(token - 1) * states..token * states];
            for (exit, row) in chain.next.chunks_exact(chain.types + 1).enumerate() {
                let open: f64 = (0..chain.types).map(|class| row[1 + class] * ahead[1 + 2 * class]).sum();
                let entered = row[0] * ahead[if exit == 0 { 0 } else { states - 1 }] + open;
                if exit == 0 {
                    before[0] = entered;
                    before[states - 1] = entered;
                } else {
                    let class = exit - 1;
                    for late in 0..2 {
                        let on = chain.goes_on[2 * class + late];
                        before[1 + 2 * class + late] = on * ahead[2 + 2 * class] + (1.0 - on) * entered;
                    }
                }
            }
        }
        true
    }

    fn ahead(&self, token: usize, ahead: &mut [f64]) {
        let row = token * self.states..(token + 1) * self.states;
        let scale = 1.0 / self.scale[token];
        for ((ahead, emission), beta) in ahead.iter_mut().zip(&self.emission[row.clone()]).zip(&self.beta[row]) {
            *ahead = emission * beta * scale;
        }
    }

    pub(super) const fn tokens(&self) -> usize {
        self.tokens
    }

    /// The probability of a state at a token.
    pub(super) fn state(&self, token: usize, state: usize) -> f64 {
        let at = token * self.states + state;
        (self.alpha[at] * self.beta[at]).clamp(0.0, 1.0)
    }

    /// The probability that the span in this state goes on after this token.
    pub(super) fn goes_on(&self, chain: &Chain, token: usize, class: usize, late: bool) -> f64 {
        if token + 1 >= self.tokens {
            return 0.0;
        }
        let (from, to) = (token * self.states + 1 + 2 * class + usize::from(late), 2 + 2 * class);
        let at = (token + 1) * self.states + to;
        let on = chain.goes_on[2 * class + usize::from(late)];
        self.alpha[from] * on * self.emission[at] / self.scale[token + 1] * self.beta[at]
    }

    /// The probability of exactly this span with this type.
    pub(super) fn span(&self, chain: &Chain, span: TokenSpan) -> f64 {
        let (start, end, class) = (span.start as usize, span.end as usize, usize::from(span.class));
        if start >= end || end > self.tokens {
            return 0.0;
        }
        let mut mass = self.alpha[start * self.states + 1 + 2 * class];
        for token in start + 1..end {
            let on = chain.goes_on[2 * class + usize::from(token > start + 1)];
            mass *= on * self.emission[token * self.states + 2 + 2 * class] / self.scale[token];
        }
        let late = usize::from(end > start + 1);
        let whole = mass * self.beta[(end - 1) * self.states + 1 + 2 * class + late];
        if end == self.tokens {
            return whole.clamp(0.0, 1.0);
        }
        let at = end * self.states + 2 + 2 * class;
        let longer = mass * chain.goes_on[2 * class + late] * self.emission[at] / self.scale[end] * self.beta[at];
        (whole - longer).clamp(0.0, 1.0)
    }

    /// Adds expected counts.
    pub(super) fn count(&self, chain: &Chain, counts: &mut ChainCounts) {
        if self.tokens == 0 {
            return;
        }
        counts.start[0] += self.state(0, 0);
        for class in 0..chain.types {
            counts.start[1 + class] += self.state(0, 1 + 2 * class);
        }
        let width = chain.types + 1;
        let mut left = vec![0.0; width];
        let mut ahead = vec![0.0; self.states];
        for token in 1..self.tokens {
            self.ahead(token, &mut ahead);
            leave(chain, &self.alpha[(token - 1) * self.states..token * self.states], &mut left);
            for (exit, &mass) in left.iter().enumerate() {
                let row = exit * width;
                counts.next[row] += mass * chain.next[row] * ahead[if exit == 0 { 0 } else { self.states - 1 }];
                for class in 0..chain.types {
                    counts.next[row + 1 + class] += mass * chain.next[row + 1 + class] * ahead[1 + 2 * class];
                }
            }
            for class in 0..chain.types {
                for late in 0..2 {
                    let on = self.goes_on(chain, token - 1, class, late == 1);
                    counts.went_on[2 * class + late] += on;
                    counts.ended[2 * class + late] += (self.state(token - 1, 1 + 2 * class + late) - on).max(0.0);
                }
            }
        }
    }

    /// The likeliest spans (Viterbi).
    pub(super) fn best(&self, chain: &Chain, spans: &mut Vec<TokenSpan>) {
        spans.clear();
        let (states, tokens) = (self.states, self.tokens);
        if tokens == 0 {
            return;
        }
        let log = |value: f64| value.max(1e-300).ln();
        let mut back = vec![0u32; tokens * states];
        let mut scores = vec![f64::NEG_INFINITY; states];
        scores[0] = log(chain.start[0]);
        (0..chain.types).for_each(|class| scores[1 + 2 * class] = log(chain.start[1 + class]));
        for token in 0..tokens {
            let emission = &self.emission[token * states..][..states];
            if token > 0 {
                let before = scores.clone();
                let back = &mut back[token * states..][..states];
                // The best way to leave each type, and outside.
                let exits: Vec<(f64, u32)> = (0..=chain.types)
                    .map(|exit| {
                        if exit == 0 {
                            let after = before[states - 1];
                            return if after > before[0] { (after, states as u32 - 1) } else { (before[0], 0) };
                        }
                        let class = exit - 1;
                        let ways = [0, 1].map(|late| {
                            let state = 1 + 2 * class + late;
                            (before[state] + log(1.0 - chain.goes_on[2 * class + late]), state as u32)
                        });
                        if ways[1].0 > ways[0].0 { ways[1] } else { ways[0] }
                    })
                    .collect();
                scores.fill(f64::NEG_INFINITY);
                for entered in 0..=chain.types {
                    for (exit, &(score, state)) in exits.iter().enumerate() {
                        let to = match (entered, exit) {
                            (0, 0) => 0,
                            (0, _) => states - 1,
                            _ => 2 * entered - 1,
                        };
                        let score = score + log(chain.next[exit * (chain.types + 1) + entered]);
                        if score > scores[to] {
                            (scores[to], back[to]) = (score, state);
                        }
                    }
                }
                for class in 0..chain.types {
                    let to = 2 + 2 * class;
                    let ways = [0, 1].map(|late| before[1 + 2 * class + late] + log(chain.goes_on[2 * class + late]));
                    let late = usize::from(ways[1] > ways[0]);
                    (scores[to], back[to]) = (ways[late], (1 + 2 * class + late) as u32);
                }
            }
            for (score, &emission) in scores.iter_mut().zip(emission) {
                *score = if emission > 0.0 { *score + emission.ln() } else { f64::NEG_INFINITY };
            }
        }
        let mut state = (1..states).fold(0, |best, state| if scores[state] > scores[best] { state } else { best });
        let mut end = None;
        for token in (0..tokens).rev() {
            if state > 0 && state + 1 < states {
                let last = *end.get_or_insert(token as u32 + 1);
                if state % 2 == 1 {
                    spans.push(TokenSpan { start: token as u32, end: last, class: ((state - 1) / 2) as Class });
                    end = None;
                }
            }
            state = back[token * states + state] as usize;
        }
        spans.reverse();
    }
}

/// The mass that leaves each type, and stays outside.
fn leave(chain: &Chain, before: &[f64], left: &mut [f64]) {
    left[0] = before[0] + before[before.len() - 1];
    for class in 0..chain.types {
        left[1 + class] = before[1 + 2 * class] * (1.0 - chain.goes_on[2 * class])
            + before[2 + 2 * class] * (1.0 - chain.goes_on[2 * class + 1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// A chain and emissions drawn at random.
    fn drawn(types: usize, tokens: usize, random: &mut Random) -> (Chain, Vec<f64>) {
        let mut row = |width: usize| {
            let mut row: Vec<f64> = (0..width).map(|_| 0.05 + random.unit()).collect();
            normalise(&mut row);
            row
        };
        let start = row(types + 1);
        let next = (0..=types).flat_map(|_| row(types + 1)).collect();
        let goes_on = (0..2 * types).map(|_| 0.1 + 0.8 * random.unit()).collect();
        let said = (0..tokens * (2 + 2 * types)).map(|_| 3.0 * random.normal()).collect();
        (Chain { types, start, next, goes_on }, said)
    }

    /// Every way to lay spans over the tokens, with its probability times that of what was said.
    fn everything(chain: &Chain, said: &[f64]) -> Vec<(Vec<TokenSpan>, f64)> {
        let states = 2 + 2 * chain.types;
        let tokens = said.len() / states;
        let mut all = vec![(Vec::new(), 0usize, 1.0f64)];
        for token in 0..tokens {
            let mut longer = Vec::new();
            for (path, before, mass) in &all {
                for state in 0..states {
                    let exit = if *before == 0 || before + 1 == states { 0 } else { before.div_ceil(2) };
                    let on = if exit == 0 { 0.0 } else { chain.goes_on[2 * (exit - 1) + (before + 1) % 2] };
                    let enters = if state == 0 || state + 1 == states { 0 } else { state.div_ceil(2) };
                    let step = if token == 0 {
                        if state % 2 == 1 && state + 1 < states || state == 0 { chain.start[enters] } else { 0.0 }
                    } else if state > 0 && state + 1 < states && state % 2 == 0 {
                        if exit == enters { on } else { 0.0 }
                    } else if state == 0 && exit > 0 || state + 1 == states && exit == 0 {
                        0.0
                    } else {
                        (1.0 - on) * chain.next[exit * (chain.types + 1) + enters]
                    };
                    let mass = mass * step * said[token * states + state].exp();
                    if mass > 0.0 {
                        let mut path: Vec<usize> = path.clone();
                        path.push(state);
                        longer.push((path, state, mass));
                    }
                }
            }
            all = longer;
        }
        let spans = |path: &[usize]| {
            let mut spans: Vec<TokenSpan> = Vec::new();
            for (token, &state) in path.iter().enumerate() {
                let token = token as u32;
                if state == 0 || state + 1 == states {
                    continue;
                }
                if state % 2 == 1 {
                    spans.push(TokenSpan { start: token, end: token + 1, class: ((state - 1) / 2) as Class });
                } else if let Some(last) = spans.last_mut() {
                    last.end += 1;
                }
            }
            spans
        };
        all.into_iter().map(|(path, _, mass)| (spans(&path), mass)).collect()
    }

    #[test]
    fn probabilities_are_those_of_counting_everything() {
        let mut random = Random::new(2);
        for (types, tokens) in [(1, 1), (1, 4), (2, 4), (3, 3)] {
            for _ in 0..20 {
                let (chain, said) = drawn(types, tokens, &mut random);
                let all = everything(&chain, &said);
                let sum: f64 = all.iter().map(|(_, mass)| mass).sum();
                let mut lattice = Lattice::default();
                assert!(lattice.fill(&chain, &said));
                assert!((lattice.log_likelihood - sum.ln()).abs() < 1e-9);
                let mut best = Vec::new();
                lattice.best(&chain, &mut best);
                let top = all.iter().max_by(|left, right| left.1.total_cmp(&right.1)).unwrap();
                assert_eq!(best, top.0);
                let share = |of: &dyn Fn(&[TokenSpan]) -> bool| {
                    all.iter().filter(|(spans, _)| of(spans)).map(|(_, mass)| mass).sum::<f64>() / sum
                };
                for class in 0..types as Class {
                    for start in 0..tokens as u32 {
                        for end in start + 1..=tokens as u32 {
                            let span = TokenSpan { start, end, class };
                            let expected = share(&|spans| spans.contains(&span));
                            assert!((lattice.span(&chain, span) - expected).abs() < 1e-9);
                        }
                        let expected = share(&|spans| spans.iter().any(|one| one.start == start && one.class == class));
                        let begin = 1 + 2 * usize::from(class);
                        assert!((lattice.state(start as usize, begin) - expected).abs() < 1e-9);
                    }
                }
            }
        }
    }
}
