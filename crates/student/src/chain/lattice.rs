//! All probabilities of one sentence, by the scaled forward-backward algorithm.

use super::links::Links;
use super::{Layout, TypedSpan};

/// The probabilities of everything that can happen in one sentence.
///
/// Filled by two passes of multiplications: exponentials are taken once per token and label and once per transition,
/// after the greatest state score of each token was taken off, and forward sums are kept at one (Rabiner 1989). Where
/// anything comes so close to vanishing that a later score might bring it back, the passes are made again with logarithms.
#[derive(Clone, Debug, Default)]
pub struct Lattice {
    labels: usize,
    tokens: usize,
    /// The exponentials of state scores, of the start at the first token and of the end at the last.
    emission: Vec<f64>,
    alpha: Vec<f64>,
    beta: Vec<f64>,
    /// What each token's forward sums were divided by.
    scale: Vec<f64>,
    log_partition: f64,
    /// There when scores lie so far apart that the numbers above cannot hold them.
    logs: Option<Logs>,
}

/// Logarithms of forward and backward sums, and scaled state scores; minus infinity where forbidden.
#[derive(Clone, Debug)]
struct Logs {
    alpha: Vec<f64>,
    beta: Vec<f64>,
    state: Vec<f64>,
}

/// Nothing that may occur is multiplied with less, or falls below it: then the product of two of them, and what later
/// scores can make of it, is still a number. Its logarithm is that of [`FAINTEST`].
const FAINT: f64 = 1e-100;
pub(super) const FAINTEST: f64 = -230.0;
/// No factor is greater, so that none times zero is anything but zero.
const MOST: f64 = 1e300;

impl Lattice {
    /// The probabilities under these state scores; `None` if no sequence may occur.
    pub fn of(links: &Links, states: &[f32]) -> Option<Self> {
        let mut lattice = Self::default();
        lattice.fill(links, states, None).then_some(lattice)
    }

    /// Fills an old lattice anew, which saves allocations. With a mask (`tokens x labels`), only sequences of allowed
    /// labels count. `false` if none may occur, and then the lattice must not be read.
    pub fn fill(&mut self, links: &Links, states: &[f32], mask: Option<&[bool]>) -> bool {
        let labels = links.labels();
        self.labels = labels;
        self.tokens = states.len() / labels;
        self.log_partition = 0.0;
        let size = self.tokens * labels;
        for buffer in [&mut self.emission, &mut self.alpha, &mut self.beta] {
            buffer.clear();
            buffer.resize(size, 0.0);
        }
        self.scale.clear();
        self.scale.resize(self.tokens, 1.0);
        self.logs = None;
        if self.tokens == 0 {
            return true;
        }
        self.emit(links, states, mask) && links.tables.close && self.forward(links) && {
            self.backward(links);
            true
        } || self.with_logarithms(links, states, mask)
    }

    /// `false` if scores of a token lie too far apart.
    fn emit(&mut self, links: &Links, states: &[f32], mask: Option<&[bool]>) -> bool {
        let mut close = true;
        let (labels, factor) = (self.labels, links.factor());
        for (token, (row, into)) in states.chunks_exact(labels).zip(self.emission.chunks_exact_mut(labels)).enumerate()
        {
            let allowed = |label: usize| mask.is_none_or(|mask| mask[token * labels + label]);
            let top =
                (0..labels).filter(|&label| allowed(label)).map(|label| row[label]).fold(f32::NEG_INFINITY, f32::max);
            if !top.is_finite() {
                continue;
            }
            for label in 0..labels {
                if allowed(label) {
                    let below = (f64::from(row[label]) - f64::from(top)) * factor;
                    close &= below >= FAINTEST;
                    into[label] = below.exp();
                }
            }
            self.log_partition += f64::from(top) * factor;
        }
        let last = (self.tokens - 1) * labels;
        for label in 0..labels {
            self.emission[label] *= links.tables.start[label];
            self.emission[last + label] *= links.tables.end[label];
        }
        let [start, end, transition] = links.tables.shifts;
        self.log_partition += start + end + transition * (self.tokens - 1) as f64;
        close
    }

    /// `false` if everything vanished, whether it must or by underflow, or if something that may occur nearly did.
    fn forward(&mut self, links: &Links) -> bool {
        let labels = self.labels;
        for token in 0..self.tokens {
            let (done, now) = self.alpha.split_at_mut(token * labels);
            let now = &mut now[..labels];
            if token == 0 {
                now.fill(1.0);
            } else {
                for (from, &mass) in done[(token - 1) * labels..].iter().enumerate() {
                    if mass > 0.0 {
                        spread(links, from, mass, now);
                    }
                }
            }
            let mut sum = 0.0;
            for (mass, emission) in now.iter_mut().zip(&self.emission[token * labels..]) {
                *mass *= emission;
                sum += *mass;
            }
            if sum < 1e-250 {
                return false;
            }
            let mut faint = false;
            for mass in &mut *now {
                *mass /= sum;
                faint |= *mass > 0.0 && *mass < FAINT;
            }
            if faint {
                return false;
            }
            self.scale[token] = sum;
            self.log_partition += sum.ln();
        }
        true
    }

    fn backward(&mut self, links: &Links) {
        let labels = self.labels;
        let last = (self.tokens - 1) * labels;
        self.beta[last..].fill(1.0);
        let mut ahead = vec![0.0; labels];
        for token in (1..self.tokens).rev() {
            let (before, now) = self.beta.split_at_mut(token * labels);
            let scale = 1.0 / self.scale[token];
            for ((ahead, emission), beta) in ahead.iter_mut().zip(&self.emission[token * labels..]).zip(&*now) {
                *ahead = emission * beta * scale;
            }
            for (from, into) in before[(token - 1) * labels..].iter_mut().enumerate() {
                *into = gather(links, from, &ahead);
            }
        }
    }

    /// The same with logarithms, ten times slower; `false` if no sequence may occur. What is learnt from such a sentence is
    /// made of numbers, and may miss what they cannot hold; probabilities are exact.
    fn with_logarithms(&mut self, links: &Links, states: &[f32], mask: Option<&[bool]>) -> bool {
        let (labels, tokens, factor) = (self.labels, self.tokens, links.factor());
        let state = |token: usize, label: usize| {
            let at = token * labels + label;
            if mask.is_some_and(|mask| !mask[at]) {
                return f64::NEG_INFINITY;
            }
            let start = if token == 0 { f64::from(links.start(label)) } else { 0.0 };
            let end = if token + 1 == tokens { f64::from(links.end(label)) } else { 0.0 };
            factor * (f64::from(states[at]) + start + end)
        };
        let link = |from: usize, to: usize| factor * f64::from(links.transition(from, to));
        let mut alpha = vec![f64::NEG_INFINITY; tokens * labels];
        let mut beta = vec![0.0; tokens * labels];
        let mut terms = vec![0.0; labels];
        for token in 0..tokens {
            for label in 0..labels {
                let before = if token == 0 {
                    0.0
                } else {
                    for (from, term) in terms.iter_mut().enumerate() {
                        *term = alpha[(token - 1) * labels + from] + link(from, label);
                    }
                    log_sum(&terms)
                };
                alpha[token * labels + label] = before + state(token, label);
            }
        }
        self.log_partition = log_sum(&alpha[(tokens - 1) * labels..]);
        if self.log_partition == f64::NEG_INFINITY {
            return false;
        }
        for token in (0..tokens - 1).rev() {
            for label in 0..labels {
                for (to, term) in terms.iter_mut().enumerate() {
                    *term = link(label, to) + state(token + 1, to) + beta[(token + 1) * labels + to];
                }
                beta[token * labels + label] = log_sum(&terms);
            }
        }
        // Kept so that every formula below holds: alpha as probabilities of labels given what stands before, beta as the
        // ratio that makes marginals of them, emissions and scales so that pairs come out right.
        for token in 0..tokens {
            let row = token * labels..(token + 1) * labels;
            let sum = log_sum(&alpha[row.clone()]);
            for at in row {
                self.alpha[at] = (alpha[at] - sum).exp();
                self.beta[at] = (beta[at] + sum - self.log_partition).exp().min(MOST);
            }
        }
        for token in 0..tokens {
            let sum = log_sum(&alpha[token * labels..][..labels]);
            let before = if token == 0 { 0.0 } else { log_sum(&alpha[(token - 1) * labels..][..labels]) };
            let shift = if token == 0 { 0.0 } else { links.tables.shifts[2] };
            self.scale[token] = 1.0;
            for label in 0..labels {
                self.emission[token * labels + label] = (state(token, label) + before - sum + shift).exp().min(MOST);
            }
        }
        let state = (0..tokens * labels).map(|at| state(at / labels, at % labels)).collect();
        self.logs = Some(Logs { alpha, beta, state });
        true
    }

    /// How many tokens the sentence has.
    pub const fn tokens(&self) -> usize {
        self.tokens
    }

    /// The logarithm of the sum of the exponentials of all sequences' scores, under the temperature of the links.
    pub const fn log_partition(&self) -> f64 {
        self.log_partition
    }

    /// The probability of a label at a token.
    pub fn token(&self, token: usize, label: usize) -> f64 {
        let at = token * self.labels + label;
        if let Some(logs) = &self.logs {
            return (logs.alpha[at] + logs.beta[at] - self.log_partition).exp().min(1.0);
        }
        (self.alpha[at] * self.beta[at]).clamp(0.0, 1.0)
    }

    /// Writes the probabilities of all labels at all tokens, `tokens x labels` numbers, each row summing to one.
    pub fn marginals(&self, into: &mut Vec<f32>) {
        into.clear();
        let mut row = vec![0.0; self.labels];
        for token in 0..self.tokens {
            row.iter_mut().enumerate().for_each(|(label, share)| *share = self.token(token, label));
            let sum: f64 = row.iter().sum();
            into.extend(row.iter().map(|share| (share / sum) as f32));
        }
    }

    /// The probability of a whole sequence, given the state scores the lattice was filled from.
    pub fn sequence(&self, links: &Links, states: &[f32], sequence: &[u16]) -> f64 {
        (links.score(states, sequence) * links.factor() - self.log_partition).exp().min(1.0)
    }

    /// The probability of a stretch of labels, whatever stands around it.
    pub fn stretch(&self, links: &Links, start: usize, sequence: &[u16]) -> f64 {
        let labels = self.labels;
        let Some(&first) = sequence.first() else { return 1.0 };
        if start + sequence.len() > self.tokens {
            return 0.0;
        }
        let end = start + sequence.len() - 1;
        if let Some(logs) = &self.logs {
            let last = usize::from(sequence[sequence.len() - 1]);
            let mut sum = logs.alpha[start * labels + usize::from(first)] + logs.beta[end * labels + last];
            for (place, pair) in sequence.windows(2).enumerate() {
                let (from, to) = (usize::from(pair[0]), usize::from(pair[1]));
                sum += links.factor() * f64::from(links.transition(from, to));
                sum += logs.state[(start + place + 1) * labels + to];
            }
            return (sum - self.log_partition).exp().min(1.0);
        }
        let mut mass = self.alpha[start * labels + usize::from(first)];
        for (place, pair) in sequence.windows(2).enumerate() {
            let (from, to, token) = (usize::from(pair[0]), usize::from(pair[1]), start + place + 1);
            mass *=
                links.tables.transition[from * labels + to] * self.emission[token * labels + to] / self.scale[token];
        }
        (mass * self.beta[end * labels + usize::from(sequence[sequence.len() - 1])]).clamp(0.0, 1.0)
    }

    /// The probability of exactly this span with this type, by the constrained forward algorithm (Culotta and McCallum
    /// 2004): all sequences in which it begins, goes on and ends there.
    pub fn span(&self, links: &Links, layout: Layout, span: TypedSpan) -> f64 {
        let (start, end) = (span.start as usize, span.end as usize);
        if start >= end || end > self.tokens || usize::from(span.class) >= layout.types() {
            return 0.0;
        }
        if let Layout::Plain { .. } = layout {
            return if end == start + 1 { self.token(start, usize::from(span.class)) } else { 0.0 };
        }
        let sequence: Vec<u16> = (0..end - start).map(|place| layout.label(span.class, place, end - start)).collect();
        let whole = self.stretch(links, start, &sequence);
        let Layout::Bio { .. } = layout else { return whole };
        // Under BIO the span may go on: take off the sequences in which it does.
        if end == self.tokens {
            return whole;
        }
        let mut longer = sequence;
        longer.push(layout.label(span.class, 1, 2));
        (whole - self.stretch(links, start, &longer)).max(0.0)
    }

    /// The probability that a token lies in some span: that its label is not the first.
    pub fn inside(&self, token: usize) -> f64 {
        (1.0 - self.token(token, 0)).clamp(0.0, 1.0)
    }

    /// Adds `times` the expected counts of labels (`tokens x labels`), and of starts, ends and transitions.
    pub(super) fn expect(&self, times: f64, states: &mut [f64], pairs: &mut Pairs, links: &Links) {
        let labels = self.labels;
        for (into, (alpha, beta)) in states.iter_mut().zip(self.alpha.iter().zip(&self.beta)) {
            *into += times * alpha * beta;
        }
        if self.tokens == 0 {
            return;
        }
        pairs.ends(times, labels, |token, label| self.token(token, label), self.tokens);
        let mut ahead = vec![0.0; labels];
        for token in 1..self.tokens {
            self.ahead(token, &mut ahead);
            for (from, &mass) in self.alpha[(token - 1) * labels..token * labels].iter().enumerate() {
                pairs.add(links, from, times * mass, &ahead);
            }
        }
    }

    /// What a transition to each label at this token is multiplied with.
    fn ahead(&self, token: usize, ahead: &mut [f64]) {
        let row = token * self.labels..(token + 1) * self.labels;
        let scale = 1.0 / self.scale[token];
        for ((ahead, emission), beta) in ahead.iter_mut().zip(&self.emission[row.clone()]).zip(&self.beta[row]) {
            *ahead = emission * beta * scale;
        }
    }

    /// Adds `times` the covariance of `sum_i value_i(y_i)` with the counts of labels, starts, ends and transitions: the
    /// gradient of the expectation of that sum with respect to the scores. Three more passes.
    pub(super) fn covary(&self, value: &[f64], times: f64, states: &mut [f64], pairs: &mut Pairs, links: &Links) {
        let (labels, tokens) = (self.labels, self.tokens);
        if tokens == 0 {
            return;
        }
        // What the sum up to each token is worth, times the forward mass; and from each token on, times the backward one.
        let mut fore = vec![0.0; tokens * labels];
        let mut back = vec![0.0; tokens * labels];
        for token in 0..tokens {
            let (done, now) = fore.split_at_mut(token * labels);
            let now = &mut now[..labels];
            if token > 0 {
                for (from, &worth) in done[(token - 1) * labels..].iter().enumerate() {
                    if worth != 0.0 {
                        spread(links, from, worth, now);
                    }
                }
            }
            let scale = 1.0 / self.scale[token];
            for (label, now) in now.iter_mut().enumerate() {
                let at = token * labels + label;
                *now = *now * self.emission[at] * scale + value[at] * self.alpha[at];
            }
        }
        let mut ahead = vec![0.0; labels];
        for token in (1..tokens).rev() {
            let (before, now) = back.split_at_mut(token * labels);
            let scale = 1.0 / self.scale[token];
            for (label, ahead) in ahead.iter_mut().enumerate() {
                let at = token * labels + label;
                *ahead = self.emission[at] * scale * (now[label] + value[at] * self.beta[at]);
            }
            for (from, into) in before[(token - 1) * labels..].iter_mut().enumerate() {
                *into = gather(links, from, &ahead);
            }
        }
        let last = (tokens - 1) * labels;
        let mean: f64 = fore[last..].iter().zip(&self.beta[last..]).map(|(worth, beta)| worth * beta).sum();
        let worth: Vec<f64> = (0..tokens * labels)
            .map(|at| fore[at] * self.beta[at] + self.alpha[at] * back[at] - mean * self.alpha[at] * self.beta[at])
            .collect();
        states.iter_mut().zip(&worth).for_each(|(into, worth)| *into += times * worth);
        pairs.ends(times, labels, |token, label| worth[token * labels + label], tokens);
        for token in 1..tokens {
            self.ahead(token, &mut ahead);
            let behind: Vec<f64> = (0..labels)
                .map(|label| {
                    let at = token * labels + label;
                    self.emission[at] / self.scale[token] * (back[at] + value[at] * self.beta[at])
                })
                .collect();
            for from in 0..labels {
                let at = (token - 1) * labels + from;
                pairs.add(links, from, times * (fore[at] - mean * self.alpha[at]), &ahead);
                pairs.add(links, from, times * self.alpha[at], &behind);
            }
        }
    }
}

/// Counts of starts, ends and transitions. Transitions are still to be multiplied with their exponentials, which is done
/// once for many sentences by [`Pairs::finish`].
#[derive(Clone, Debug)]
pub(super) struct Pairs {
    pub(super) start: Vec<f64>,
    pub(super) end: Vec<f64>,
    pub(super) transition: Vec<f64>,
    /// Transitions that were counted as they are.
    seen: Vec<f64>,
}

impl Pairs {
    pub(super) fn new(labels: usize) -> Self {
        let square = vec![0.0; labels * labels];
        Self { start: vec![0.0; labels], end: vec![0.0; labels], transition: square.clone(), seen: square }
    }

    /// Adds `times` the counts of a sequence.
    pub(super) fn observe(&mut self, times: f64, sequence: &[u16]) {
        let labels = self.start.len();
        let (Some(&first), Some(&last)) = (sequence.first(), sequence.last()) else { return };
        self.start[usize::from(first)] += times;
        self.end[usize::from(last)] += times;
        for pair in sequence.windows(2) {
            self.seen[usize::from(pair[0]) * labels + usize::from(pair[1])] += times;
        }
    }

    fn ends(&mut self, times: f64, labels: usize, worth: impl Fn(usize, usize) -> f64, tokens: usize) {
        for label in 0..labels {
            self.start[label] += times * worth(0, label);
            self.end[label] += times * worth(tokens - 1, label);
        }
    }

    fn add(&mut self, links: &Links, from: usize, mass: f64, ahead: &[f64]) {
        let row = &mut self.transition[from * ahead.len()..][..ahead.len()];
        let followers = links.followers(from);
        if followers.len() * 3 < ahead.len() {
            for &to in followers {
                row[usize::from(to)] += mass * ahead[usize::from(to)];
            }
        } else {
            row.iter_mut().zip(ahead).for_each(|(into, ahead)| *into += mass * ahead);
        }
    }

    /// Multiplies the transitions with their exponentials and adds those that were seen.
    pub(super) fn finish(&mut self, links: &Links) {
        for ((count, table), seen) in self.transition.iter_mut().zip(&links.tables.transition).zip(&mut self.seen) {
            *count = *count * table + std::mem::take(seen);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        let add = |into: &mut [f64], from: &[f64]| into.iter_mut().zip(from).for_each(|(into, from)| *into += from);
        add(&mut self.start, &other.start);
        add(&mut self.end, &other.end);
        add(&mut self.transition, &other.transition);
        add(&mut self.seen, &other.seen);
    }
}

/// `into += mass * exp(transition from this label)`.
fn spread(links: &Links, from: usize, mass: f64, into: &mut [f64]) {
    let row = &links.tables.transition[from * into.len()..][..into.len()];
    let followers = links.followers(from);
    if followers.len() * 3 < into.len() {
        for &to in followers {
            into[usize::from(to)] += mass * row[usize::from(to)];
        }
    } else {
        into.iter_mut().zip(row).for_each(|(into, weight)| *into += mass * weight);
    }
}

/// The sum of `exp(transition from this label) * ahead`.
fn gather(links: &Links, from: usize, ahead: &[f64]) -> f64 {
    let row = &links.tables.transition[from * ahead.len()..][..ahead.len()];
    let followers = links.followers(from);
    if followers.len() * 3 < ahead.len() {
        followers.iter().map(|&to| row[usize::from(to)] * ahead[usize::from(to)]).sum()
    } else {
        // Four sums side by side: additions of one sum would wait for each other.
        let mut sums = [0.0; 4];
        let (fours, rest) = row.as_chunks::<4>();
        let (ahead_fours, ahead_rest) = ahead.as_chunks::<4>();
        for (row, ahead) in fours.iter().zip(ahead_fours) {
            for lane in 0..4 {
                sums[lane] += row[lane] * ahead[lane];
            }
        }
        let rest: f64 = rest.iter().zip(ahead_rest).map(|(row, ahead)| row * ahead).sum();
        (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
    }
}

fn log_sum(terms: &[f64]) -> f64 {
    let top = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + terms.iter().map(|term| (term - top).exp()).sum::<f64>().ln()
}
