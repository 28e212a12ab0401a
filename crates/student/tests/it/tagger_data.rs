//! Small generated sentences for taggers: people and places by their names and their neighbours.

use postil_student::chain::TypedSpan;
use postil_student::tagger::{Document, Layer, LayerKind, LayerTarget};

use crate::data::Dice;

const PEOPLE: [&str; 8] = ["Anna", "Boris", "Clara", "Dmitri", "Elena", "Felix", "Greta", "Hugo"];
const SURNAMES: [&str; 6] = ["Weber", "Novak", "Rossi", "Kovacs", "Lindgren", "Moreau"];
const PLACES: [&str; 6] = ["Lisbon", "Oslo", "New York", "Buenos Aires", "Kyoto", "Quito"];
const VERBS: [&str; 4] = ["visited", "left", "praised", "loves"];

/// Sentences of tokens with all that is known about them.
pub(crate) struct Sentences {
    pub(crate) tokens: Vec<Vec<String>>,
    pub(crate) spans: Vec<Vec<TypedSpan>>,
    /// 0 word, 1 verb, 2 name, 3 full stop.
    pub(crate) tags: Vec<Vec<u16>>,
    /// 0 statement, 1 question.
    pub(crate) kinds: Vec<u16>,
}

/// Draws sentences such as `Anna Weber visited New York .` and `who left Oslo ?`.
pub(crate) fn sentences(count: usize, seed: u64) -> Sentences {
    let mut dice = Dice(seed);
    let mut drawn = Sentences { tokens: vec![], spans: vec![], tags: vec![], kinds: vec![] };
    for _ in 0..count {
        let (mut tokens, mut spans, mut tags) = (Vec::<String>::new(), Vec::new(), Vec::new());
        let mut name = |tokens: &mut Vec<String>, tags: &mut Vec<u16>, words: &str, class: u16| {
            let start = tokens.len() as u32;
            for word in words.split(' ') {
                tokens.push(word.to_owned());
                tags.push(2);
            }
            spans.push(TypedSpan { start, end: tokens.len() as u32, class });
        };
        let question = dice.below(3) == 0;
        if question {
            tokens.push("who".to_owned());
            tags.push(0);
        } else {
            let mut person = PEOPLE[dice.below(PEOPLE.len())].to_owned();
            if dice.below(2) == 0 {
                person = format!("{person} {}", SURNAMES[dice.below(SURNAMES.len())]);
            }
            name(&mut tokens, &mut tags, &person, 0);
        }
        tokens.push(VERBS[dice.below(VERBS.len())].to_owned());
        tags.push(1);
        if dice.below(3) == 0 {
            tokens.push("the".to_owned());
            tokens.push("house".to_owned());
            tags.extend([0, 0]);
        } else {
            name(&mut tokens, &mut tags, PLACES[dice.below(PLACES.len())], 1);
        }
        tokens.push(if question { "?" } else { "." }.to_owned());
        tags.push(3);
        drawn.tokens.push(tokens);
        drawn.spans.push(spans);
        drawn.tags.push(tags);
        drawn.kinds.push(u16::from(question));
    }
    drawn
}

impl Sentences {
    /// A document per sentence.
    pub(crate) fn documents(&self) -> Vec<Document<'_>> {
        self.tokens
            .iter()
            .map(|tokens| Document::from_sentences([tokens.iter().map(String::as_str).collect::<Vec<_>>()]))
            .collect()
    }

    /// Targets for the layers below, in this order.
    pub(crate) fn targets(&self, kinds: &[LayerKind]) -> Vec<Vec<LayerTarget>> {
        let target = |at: usize, kind: &LayerKind| match kind {
            LayerKind::Spans => LayerTarget::Spans(self.spans[at].clone()),
            LayerKind::Tags => LayerTarget::Tags(self.tags[at].clone()),
            // Names are emphasised.
            LayerKind::Scores => {
                LayerTarget::Scores(self.tags[at].iter().map(|tag| if *tag == 2 { 0.9 } else { 0.1 }).collect())
            }
            LayerKind::Sentences => LayerTarget::Sentences(vec![self.kinds[at]]),
        };
        (0..self.tokens.len()).map(|at| kinds.iter().map(|kind| target(at, kind)).collect()).collect()
    }
}

/// A layer of each kind.
pub(crate) fn layer(kind: LayerKind) -> Layer {
    match kind {
        LayerKind::Spans => Layer::new("names", kind, ["person", "place"]),
        LayerKind::Tags => Layer::new("pos", kind, ["word", "verb", "name", "stop"]),
        LayerKind::Scores => Layer::new("emphasis", kind, Vec::<String>::new()),
        LayerKind::Sentences => Layer::new("mood", kind, ["statement", "question"]),
    }
}
