//! Learning spans and tags.

use postil_core::audit::spans::SpanTally;
use postil_core::audit::{effective_of_clusters, wilson};
use postil_core::text::{Named, Offsets, align, quote};
use postil_core::{Answer, Document, Measured, Name, TaskKind};
use postil_student::chain::TypedSpan;
use postil_student::tagger::{
    self, Layer, LayerKind, LayerPrediction, LayerTarget, TaggerModel, TaggerOptions, TaggerScratch, TaggerTrainer,
};

use super::Labelled;
use crate::Workplace;
use crate::items::Stored;
use crate::room::Room;
use crate::wire::Suggestion;

/// Every answer is predicted by a model that learnt from the other parts.
const FOLDS: u64 = 3;
/// The share that the last model does not see at first, to find out how sure it may be.
const HELD_OUT: f64 = 0.1;
/// The tokens that are learnt from, at most: those of the latest answers.
const MOST_TOKENS: usize = 300_000;
/// The most layers of a tagger.
const MOST_LAYERS: usize = 16;

/// A text with its tokens and, on them, what somebody said: a set of places with a class each. In a task of tags the places
/// without one were left open.
struct Marked {
    key: u64,
    document: Document,
    marks: Vec<TypedSpan>,
}

impl Marked {
    fn view(&self) -> tagger::Document<'_> {
        view(&self.document)
    }
}

fn view(document: &Document) -> tagger::Document<'_> {
    tagger::Document { tokens: document.words().collect(), sentences: document.sentences.clone() }
}

fn document_of(stored: &Stored, place: &Workplace) -> Document {
    let tokenizer = place.columns.tokenizer;
    let mut document = Document::from_text(stored.id.as_str(), stored.text());
    document.tokens = stored.tokens(tokenizer);
    document.tokenize(tokenizer);
    document
}

/// What somebody said, on tokens, in their order; of spans of one class that share a token the first counts.
fn marks_of(answer: &Answer, document: &Document, place: &Workplace) -> Vec<TypedSpan> {
    let class = |label: &Name| place.task.labels.class(label);
    let mut marks: Vec<TypedSpan> = match answer {
        Answer::Tags { tags } => {
            let tags = tags.iter().take(document.tokens.len()).zip(0..);
            tags.filter_map(|(tag, at)| Some(TypedSpan { start: at, end: at + 1, class: class(tag)? })).collect()
        }
        Answer::Spans { spans, .. } => {
            let aligned = align(&document.text, &document.tokens, spans).all.into_iter();
            let placed =
                |mark: Named<Name>| Some(TypedSpan { start: mark.start, end: mark.end, class: class(&mark.label)? });
            aligned.filter_map(placed).collect()
        }
        _ => Vec::new(),
    };
    marks.sort_unstable_by_key(|mark| (mark.start, mark.end, mark.class));
    marks
}

/// The marks that do not share a token with one before.
fn apart(marks: impl Iterator<Item = TypedSpan>) -> Vec<TypedSpan> {
    let mut end = 0;
    let free = |mark: &TypedSpan| {
        let free = mark.start >= end;
        end = if free { mark.end } else { end };
        free
    };
    marks.filter(free).collect()
}

/// The layers of a tagger for a task: one, or one for each label where spans may overlap. `None` if there would be too many.
fn layers(place: &Workplace) -> Option<Vec<Layer>> {
    let names = place.task.labels.names().map(ToString::to_string);
    let layers = match place.task.kind {
        TaskKind::Tag => vec![Layer::new("tags", LayerKind::Tags, names)],
        _ if place.overlapping => names.map(|name| Layer::new(name.clone(), LayerKind::Spans, [name])).collect(),
        _ => vec![Layer::new("spans", LayerKind::Spans, names)],
    };
    (layers.len() <= MOST_LAYERS).then_some(layers)
}

/// What a marked text teaches each layer.
fn targets(marked: &Marked, layers: &[Layer]) -> Vec<LayerTarget> {
    let marks = || marked.marks.iter().copied();
    if layers[0].kind == LayerKind::Tags {
        // A token that was left open may be anything.
        let mut sets = vec![Vec::new(); marked.document.tokens.len()];
        marks().for_each(|mark| sets[mark.start as usize] = vec![mark.class]);
        return vec![LayerTarget::Candidates(sets)];
    }
    if let [_] = layers {
        return vec![LayerTarget::Spans(apart(marks()))];
    }
    let of = |class: usize| marks().filter(move |mark| usize::from(mark.class) == class);
    let single = |class| apart(of(class)).into_iter().map(|mark| TypedSpan { class: 0, ..mark }).collect();
    (0..layers.len()).map(|class| LayerTarget::Spans(single(class))).collect()
}

/// What a model says about a text, in the order of the text, each with how sure it is.
fn predict(
    model: &TaggerModel,
    document: &Document,
    sure: bool,
    scratch: &mut TaggerScratch,
) -> Vec<(TypedSpan, Option<f32>)> {
    let several = model.layers().len() > 1;
    let mut found = Vec::new();
    for (layer, predicted) in model.predict(&view(document), sure, scratch).into_iter().enumerate() {
        match predicted {
            LayerPrediction::Tags(tags) => found.extend(
                tags.iter()
                    .zip(0..)
                    .map(|(tag, at)| (TypedSpan { start: at, end: at + 1, class: tag.class }, tag.confidence)),
            ),
            LayerPrediction::Spans(spans) => found.extend(spans.iter().map(|one| {
                let class = if several { layer as u16 } else { one.span.class };
                (TypedSpan { class, ..one.span }, one.confidence)
            })),
            _ => {}
        }
    }
    found.sort_by_key(|(span, _)| (span.start, span.end, span.class));
    found
}

impl Room {
    pub(super) fn learn_marks(&self, labels: &[Labelled]) -> Option<Measured> {
        let layers = layers(&self.place)?;
        let lesson = self.lesson(labels);
        let basis = lesson.basis();
        let mut tokens = 0;
        let mut marked: Vec<Marked> = Vec::new();
        for (stored, (key, answer)) in lesson.items.iter().rev() {
            let document = document_of(stored, &self.place);
            tokens += document.tokens.len();
            if tokens > MOST_TOKENS && !marked.is_empty() {
                break;
            }
            if !document.tokens.is_empty() {
                let marks = marks_of(answer, &document, &self.place);
                marked.push(Marked { key: *key, document, marks });
            }
        }
        marked.reverse();
        let train = |keep: &dyn Fn(&Marked) -> bool, held_out: f64| {
            let texts = || marked.iter().filter(|marked| keep(marked));
            let views: Vec<_> = texts().map(Marked::view).collect();
            let targets: Vec<_> = texts().map(|marked| targets(marked, &layers)).collect();
            let options = TaggerOptions::new().seed(self.place.seed).held_out(held_out);
            let trainer = TaggerTrainer::new(layers.clone()).ok()?.with_options(options);
            Some(trainer.fit(&views, &targets, None).ok()?.model)
        };
        let model = train(&|_| true, HELD_OUT)?;
        self.order(labels.len(), |slice| self.suggest_marks(&model, slice));
        let scratch = &mut TaggerScratch::default();
        let mut found: Vec<(&Marked, Vec<TypedSpan>)> = Vec::new();
        let said = |model: &TaggerModel, marked: &Marked, scratch: &mut TaggerScratch| {
            predict(model, &marked.document, false, scratch).into_iter().map(|(mark, _)| mark).collect()
        };
        if let Some(gold) = self.blind() {
            let gold: Vec<Marked> = self
                .lesson(&gold)
                .items
                .iter()
                .map(|(stored, (key, answer))| {
                    let document = document_of(stored, &self.place);
                    let marks = marks_of(answer, &document, &self.place);
                    Marked { key: *key, document, marks }
                })
                .collect();
            found.extend(gold.iter().map(|marked| (marked, said(&model, marked, scratch))));
            return Some(self.measured(&found, &format!("{} blind gold items of people", gold.len())));
        }
        for fold in 0..FOLDS {
            let Some(model) = train(&|marked| marked.key % FOLDS != fold, 0.0) else {
                return Some(Measured::unknown("too few answers with marks to learn from a part of them"));
            };
            let own = marked.iter().filter(|marked| marked.key % FOLDS == fold);
            found.extend(own.map(|marked| (marked, said(&model, marked, scratch))));
        }
        Some(self.measured(&found, &basis))
    }

    /// F1 of spans, or the share of tokens with the right tag; texts are what the interval draws.
    fn measured(&self, found: &[(&Marked, Vec<TypedSpan>)], basis: &str) -> Measured {
        if self.place.task.kind == TaskKind::Tag {
            let hits = |(marked, said): &(&Marked, Vec<TypedSpan>)| {
                let right = marked.marks.iter().filter(|mark| said.get(mark.start as usize) == Some(mark)).count();
                (right as f64, marked.marks.len() as f64)
            };
            let clusters: Vec<(f64, f64)> = found.iter().map(hits).filter(|(_, trials)| *trials > 0.0).collect();
            let (right, all) = clusters.iter().fold((0.0, 0.0), |sums, one| (sums.0 + one.0, sums.1 + one.1));
            if all == 0.0 {
                return Measured::unknown("no token was tagged");
            }
            let share = right / all;
            let basis = format!("{all} tokens of {basis}");
            return Measured::known(share, wilson(share, effective_of_clusters(&clusters)), basis);
        }
        let mut tally = SpanTally::new(self.place.seed);
        let named = |mark: &TypedSpan| Named {
            start: mark.start,
            end: mark.end,
            label: self.place.task.labels.name(mark.class).clone(),
        };
        for (number, (marked, said)) in found.iter().enumerate() {
            let (gold, said): (Vec<_>, Vec<_>) =
                (marked.marks.iter().map(named).collect(), said.iter().map(named).collect());
            tally.add(number as u64, 1.0, &gold, &said, None);
        }
        let scores = tally.scores("texts", "tokens");
        match scores.micro.f1 {
            Measured::Known { value, low, high, level, .. } => {
                let basis = format!("{} spans in {basis}", scores.gold);
                Measured::Known { value, low, high, level, basis }
            }
            unknown @ Measured::Unknown { .. } => unknown,
        }
    }

    fn suggest_marks(&self, model: &TaggerModel, slice: &[Stored]) -> Vec<Option<Suggestion>> {
        let scratch = &mut TaggerScratch::default();
        let labels = &self.place.task.labels;
        let mut one = |stored: &Stored| {
            let document = document_of(stored, &self.place);
            if document.tokens.is_empty() {
                return None;
            }
            let found = predict(model, &document, true, scratch);
            let confidences: Vec<Option<f32>> = found.iter().map(|(_, sure)| *sure).collect();
            let names = found.iter().map(|(mark, _)| labels.name(mark.class).clone());
            let answer = if self.place.task.kind == TaskKind::Tag {
                Answer::Tags { tags: names.collect() }
            } else {
                let offsets = Offsets::new(&document.text);
                let spans = found.iter().zip(names).map(|((mark, _), label)| {
                    quote(&offsets, &document.tokens, &Named { start: mark.start, end: mark.end, label })
                });
                Answer::spans(spans.collect())
            };
            Some(Suggestion {
                answer,
                source: "model".to_owned(),
                // The least certain mark makes a text doubtful.
                confidence: confidences.iter().flatten().copied().min_by(f32::total_cmp),
                confidences: Some(confidences),
                evidence: None,
            })
        };
        slice.iter().map(&mut one).collect()
    }
}

#[cfg(test)]
mod tests {
    use postil_core::Span;

    use super::*;

    #[test]
    fn marks_that_share_a_token_teach_once() {
        let mark = |start, end, class| TypedSpan { start, end, class };
        let marks = [mark(0, 2, 0), mark(0, 3, 1), mark(1, 2, 0), mark(2, 4, 1), mark(4, 5, 0)];
        assert_eq!(apart(marks.into_iter()), [mark(0, 2, 0), mark(2, 4, 1), mark(4, 5, 0)]);
    }

    #[test]
    fn a_span_is_on_the_tokens_it_touches() {
        let mut document = Document::from_text("d", "🚀 Ann flew");
        document.tokenize(postil_core::text::Tokenizer::Whitespace);
        let on = |start: u32, end: u32| {
            let quote = document.text.chars().skip(start as usize).take((end - start) as usize).collect();
            let span = Span { start, end, label: "a".into(), quote };
            align(&document.text, &document.tokens, &[span]).all.first().map(|mark| (mark.start, mark.end))
        };
        assert_eq!((on(2, 5), on(3, 4), on(0, 7)), (Some((1, 2)), Some((1, 2)), Some((0, 3))));
        assert_eq!((on(1, 2), on(0, 99)), (None, None));
    }
}
