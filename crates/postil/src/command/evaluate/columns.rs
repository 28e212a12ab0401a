//! Scoring two files with a token per line, sentence by sentence.

use postil_core::audit::spans::{MatchTally, SpanTally, TokenAgreement};
use postil_core::formats::{Column, ColumnSentence, ColumnsReader};
use postil_core::text::{Named, Reading, Scheme, read_tags, write_tags};
use postil_core::{Error, Result};

use super::show::{Evaluation, Side};
use super::{Arguments, ByArgument, FEW_DOCUMENTS, TagsArgument};
use crate::command::output::{say, say_json, table};

/// Both files, in step.
struct Pair {
    gold: ColumnsReader,
    predicted: ColumnsReader,
    left: ColumnSentence,
    right: ColumnSentence,
    sentences: u64,
}

impl Pair {
    fn open(arguments: &Arguments) -> Result<Self> {
        let number = arguments.layer.or(arguments.scores).map(Column::Number);
        let reading = &arguments.reading;
        let column = number.unwrap_or(reading.column);
        let other = arguments.predicted_column.or(number).unwrap_or(reading.column);
        Ok(Self {
            gold: ColumnsReader::open(&arguments.gold, reading.word_column, column)?,
            predicted: ColumnsReader::open(&arguments.predicted, reading.word_column, other)?,
            left: ColumnSentence::default(),
            right: ColumnSentence::default(),
            sentences: 0,
        })
    }

    /// Reads the next sentence of both; `false` at the end.
    fn next(&mut self) -> Result<bool> {
        let more = self.gold.next_sentence(&mut self.left)?;
        let other = self.predicted.next_sentence(&mut self.right)?;
        if more != other {
            let (longer, shorter, sentence) = if more {
                (&self.gold, &self.predicted, &self.left)
            } else {
                (&self.predicted, &self.gold, &self.right)
            };
            return Err(Error::input(format!(
                "expected the sentence at {}:{}, found the end after {} sentences",
                longer.name().display(),
                sentence.line(0),
                self.sentences
            ))
            .in_file(shorter.name()));
        }
        if !more {
            return Ok(false);
        }
        self.sentences += 1;
        self.agree()?;
        Ok(true)
    }

    /// The words must be the same, or there is nothing to compare.
    fn agree(&self) -> Result<()> {
        let (gold, predicted) = (self.gold.layout().word, self.predicted.layout().word);
        let rows = self.left.len().min(self.right.len());
        let differs = (0..rows).find(|&row| self.left.cell(row, gold) != self.right.cell(row, predicted));
        let (row, what) = match differs {
            Some(row) => {
                let (expected, found) = (self.left.cell(row, gold), self.right.cell(row, predicted));
                (row, format!("expected the token `{expected}` as at {}, found `{found}`", self.place(row)))
            }
            None if self.left.len() != self.right.len() => {
                let (expected, found) = (self.left.len(), self.right.len());
                let place = self.place(0);
                (rows - 1, format!("expected a sentence of {expected} tokens as at {place}, found {found}"))
            }
            None => return Ok(()),
        };
        Err(Error::input(what)
            .in_file(self.predicted.name())
            .at_line(self.right.line(row))
            .hint("predictions are scored token by token; both files must have the same tokens and sentences"))
    }

    fn place(&self, row: usize) -> String {
        format!("{}:{}", self.gold.name().display(), self.left.line(row))
    }

    /// One over the probability with which the sentence was drawn, as its comments say.
    fn weight(&self) -> Result<f64> {
        let said = self.left.comments.iter().find(|(name, _)| name == "inclusion_probability");
        let Some((_, value)) = said else { return Ok(1.0) };
        match value.trim().parse::<f64>() {
            Ok(probability) if probability > 0.0 && probability <= 1.0 => Ok(1.0 / probability),
            _ => Err(Error::input(format!("expected a probability above 0 and at most 1, found `{value}`"))
                .in_file(self.gold.name())
                .at_line(self.left.line(0))),
        }
    }
}

/// The spans of tags; by strict reading only those whose tags are exactly as their scheme has them.
fn spans<'t>(tags: &[&'t str], scheme: Scheme, reading: TagsArgument, broken: &mut u64) -> Vec<Named<&'t str>> {
    let Reading { spans, repairs } = read_tags(tags, scheme);
    *broken += repairs.len() as u64;
    if reading == TagsArgument::Lenient || repairs.is_empty() {
        return spans;
    }
    let proper = write_tags(&spans, tags.len(), scheme);
    let is_proper =
        |span: &Named<&str>| (span.start..span.end).all(|token| proper[token as usize] == tags[token as usize]);
    // A span that goes on wrongly behind its end, as `B-PER L-PER L-PER` does, was read as two and both are checked.
    spans.into_iter().filter(is_proper).collect()
}

pub(super) fn execute(arguments: &Arguments) -> anyhow::Result<()> {
    let mut pair = Pair::open(arguments)?;
    if arguments.scores.is_some() {
        return ranks(arguments, &mut pair);
    }
    let scheme = arguments.reading.read_scheme;
    let is_plain = arguments.layer.is_some() || pair.gold.scheme().is_none();
    let gold_scheme = scheme.or(pair.gold.scheme()).unwrap_or_default();
    let predicted_scheme = scheme.or(pair.predicted.scheme()).unwrap_or_default();
    let (gold_tag, predicted_tag) = (pair.gold.layout().tag, pair.predicted.layout().tag);
    let mut by_sentence = SpanTally::new(arguments.seed);
    let mut by_document: Option<SpanTally> = None;
    let mut broken = (0, 0);
    let (mut first, mut documents, mut weighted) = (true, 0, false);
    while pair.next()? {
        if std::mem::take(&mut first) && pair.left.document > 0 && arguments.by != ByArgument::Sentences {
            by_document = Some(SpanTally::new(arguments.seed));
        }
        documents = documents.max(pair.left.document);
        let weight = pair.weight()?;
        weighted |= weight != 1.0;
        let left: Vec<&str> = pair.left.column(gold_tag).collect();
        let right: Vec<&str> = pair.right.column(predicted_tag).collect();
        let (gold, predicted, right_tokens) = if is_plain {
            let right_tokens = left.iter().zip(&right).filter(|(gold, predicted)| gold == predicted).count();
            (each(&left), each(&right), right_tokens)
        } else {
            let gold = spans(&left, gold_scheme, arguments.tags, &mut broken.0);
            let predicted = spans(&right, predicted_scheme, arguments.tags, &mut broken.1);
            let right_tokens = if gold_scheme == predicted_scheme {
                left.iter().zip(&right).filter(|(gold, predicted)| gold == predicted).count()
            } else {
                // Tags of two schemes are compared as one of them has them.
                let anew = |spans: &[Named<&str>]| write_tags(spans, left.len(), Scheme::Bio);
                anew(&gold).iter().zip(anew(&predicted)).filter(|(gold, predicted)| *gold == predicted).count()
            };
            (gold, predicted, right_tokens)
        };
        let tokens = Some(TokenAgreement { right: right_tokens as u64, total: left.len() as u64 });
        by_sentence.add(pair.sentences, weight, &gold, &predicted, tokens);
        if let Some(tally) = &mut by_document {
            tally.add(pair.left.document, weight, &gold, &predicted, tokens);
        }
    }
    let use_documents = match arguments.by {
        ByArgument::Sentences => false,
        ByArgument::Documents => true,
        ByArgument::Auto => documents >= FEW_DOCUMENTS,
    };
    let scores = match by_document {
        Some(mut tally) if use_documents => tally.scores("documents", "tokens"),
        None if arguments.by == ByArgument::Documents => {
            anyhow::bail!(
                Error::task("expected documents, found no line that begins with -DOCSTART- and no `# newdoc`")
                    .hint("`--by sentences` draws sentences")
            );
        }
        _ => by_sentence.scores("sentences", "tokens"),
    };
    let side = |reader: &ColumnsReader, scheme: Scheme, broken: u64| Side {
        file: reader.name().to_path_buf(),
        format: "conll".to_owned(),
        scheme: (!is_plain).then_some(scheme),
        broken_tags: broken,
    };
    let evaluation = Evaluation {
        gold: side(&pair.gold, gold_scheme, broken.0),
        predicted: side(&pair.predicted, predicted_scheme, broken.1),
        sentences: Some(pair.sentences),
        documents: (documents > 0).then_some(documents),
        unscored_predictions: 0,
        unscored_gold: 0,
        tags: if is_plain {
            "one tag per token, compared as they are"
        } else if arguments.tags == TagsArgument::Strict {
            "strict: a span whose tags break their scheme is none"
        } else {
            "lenient: as conlleval reads them"
        },
        tag_by_tag: is_plain,
        weighted,
        text_labels: None,
        scores,
        links: None,
    };
    evaluation.show(arguments.show, arguments.json)
}

/// Every token as a span of its own.
fn each<'t>(tags: &[&'t str]) -> Vec<Named<&'t str>> {
    (0..).zip(tags).map(|(token, tag)| Named { start: token, end: token + 1, label: *tag }).collect()
}

/// Match_m of two columns of numbers.
fn ranks(arguments: &Arguments, pair: &mut Pair) -> anyhow::Result<()> {
    let mut tally = MatchTally::default();
    while pair.next()? {
        let read = |sentence: &ColumnSentence, reader: &ColumnsReader| -> Result<Vec<f64>> {
            let column = reader.layout().tag;
            (0..sentence.len())
                .map(|row| match sentence.cell(row, column).parse::<f64>() {
                    Ok(score) if score.is_finite() => Ok(score),
                    _ => Err(Error::input(format!("expected a number, found `{}`", sentence.cell(row, column)))
                        .in_file(reader.name())
                        .at_line(sentence.line(row))),
                })
                .collect()
        };
        tally.add(&read(&pair.left, &pair.gold)?, &read(&pair.right, &pair.predicted)?);
    }
    let scores = tally.scores();
    if arguments.json {
        return say_json(&scores);
    }
    let mut rows: Vec<Vec<String>> =
        (1..).zip(&scores.matches).map(|(m, figure)| vec![format!("Match_{m}"), figure.brief()]).collect();
    rows.push(vec!["mean".to_owned(), scores.mean.brief()]);
    say(&format!("{} sentences\n{}", scores.sentences, table(&["", "value and 95 % interval"], &rows)))
}
