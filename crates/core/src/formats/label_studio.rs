//! Label Studio's JSON: tasks with annotations and predictions.
//!
//! Its places are UTF-16 units, because a browser counts them; exports of other tools in this shape count in code
//! points. The quoted text of each region tells which.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use super::json::{Row, kind, list, position, string, take_id};
use super::reader::Annotations;
use super::remarks::RemarkKind;
use super::settle::{RawSpan, places_of};
use super::writer::{ANSWER, Out};
use crate::answer::Link;
use crate::document::Document;
use crate::task::Name;
use crate::text::{OffsetUnit, Offsets};

const UNITS: [OffsetUnit; 3] = [OffsetUnit::Utf16, OffsetUnit::CodePoints, OffsetUnit::Bytes];
/// Where what an annotation says beside its results is kept.
const ANNOTATION: &str = "annotation";
/// Where results that are neither spans nor labels are kept.
const RESULTS: &str = "results";
/// Where the ids of regions are kept while other results refer to them.
const REGIONS: &str = "region_ids";

/// Reads a task; more than one document only if all annotations are asked for.
pub(super) fn read(mut task: Map<String, Value>, row: &mut Row<'_>) -> Result<Vec<Document>, String> {
    let mut id = take_id(&mut task, "id")?;
    let take = |task: &mut Map<String, Value>, key: &str| list(task.shift_remove(key).unwrap_or(Value::Null), key);
    let (annotations, predictions) = (take(&mut task, "annotations")?, take(&mut task, "predictions")?);
    let mut data = match task.shift_remove("data") {
        Some(Value::Object(data)) => data,
        Some(other) => return Err(format!("expected `data` as an object, found {}", kind(&other))),
        // A task without `data` is itself the data.
        None => std::mem::take(&mut task),
    };
    let text = take_text(&mut data, row)?;
    let own = take_id(&mut data, "id")?;
    if !own.is_empty() {
        id = own;
    }
    let name = if id.is_empty() { row.name.clone() } else { id.to_string() };
    let is_cancelled = |annotation: &Value| annotation.get("was_cancelled") == Some(&Value::Bool(true));
    let is_truth = |annotation: &Value| annotation.get("ground_truth") == Some(&Value::Bool(true));
    let chosen: Vec<(Option<Value>, bool)> = match row.options.annotations {
        Annotations::All if !annotations.is_empty() => annotations.into_iter().map(|one| (Some(one), false)).collect(),
        Annotations::Predictions => {
            others(predictions.len(), &name, row);
            vec![(predictions.into_iter().next(), true)]
        }
        _ => {
            others(annotations.len(), &name, row);
            let best = annotations.iter().position(|one| is_truth(one) && !is_cancelled(one));
            let best = best.or_else(|| annotations.iter().position(|one| !is_cancelled(one))).unwrap_or(0);
            vec![(annotations.into_iter().nth(best), false)]
        }
    };
    let mut documents = Vec::with_capacity(chosen.len());
    for (annotation, predicted) in chosen {
        let mut document = Document { id: id.clone(), text: text.clone(), meta: data.clone(), ..Document::default() };
        for (key, value) in &task {
            // What the server knows about the task itself; the data's own fields come first.
            if !matches!(key.as_str(), "drafts" | "total_annotations" | "cancelled_annotations" | "total_predictions") {
                document.meta.entry(key.as_str()).or_insert_with(|| value.clone());
            }
        }
        match annotation {
            Some(Value::Object(annotation)) => read_annotation(&mut document, annotation, predicted, row)?,
            Some(other) => return Err(format!("expected an annotation as an object, found {}", kind(&other))),
            None => drop(document.meta.insert(ANSWER.to_owned(), "missing".into())),
        }
        documents.push(document);
    }
    Ok(documents)
}

fn others(count: usize, name: &str, row: &mut Row<'_>) {
    for _ in 1..count {
        row.report.remarks.add(RemarkKind::OtherAnnotation, name, row.line, || format!("{count} annotations"));
    }
}

/// The text: the field asked for, `text`, or the only string among the data.
fn take_text(data: &mut Map<String, Value>, row: &Row<'_>) -> Result<String, String> {
    let asked = row.options.text_field.as_deref();
    let field = match asked {
        Some(field) => field.to_owned(),
        None if data.contains_key("text") => "text".to_owned(),
        None => {
            let strings: Vec<&String> =
                data.iter().filter(|(_, value)| value.is_string()).map(|(key, _)| key).collect();
            match strings.as_slice() {
                [one] => (*one).clone(),
                many => {
                    return Err(format!("expected a text in `data`, found {} fields that could be it", many.len()));
                }
            }
        }
    };
    match data.shift_remove(&field) {
        Some(Value::String(text)) if u32::try_from(text.len()).is_ok() => Ok(text),
        Some(other) => Err(format!("expected a text in `data.{field}`, found {}", kind(&other))),
        None => Err(format!("expected the field `data.{field}`, found none")),
    }
}

fn read_annotation(
    document: &mut Document,
    mut annotation: Map<String, Value>,
    predicted: bool,
    row: &mut Row<'_>,
) -> Result<(), String> {
    let mut raw = Vec::new();
    let mut regions = Vec::new();
    let mut rest = Vec::new();
    for result in list(annotation.shift_remove("result").unwrap_or(Value::Null), "results")? {
        let what = result.get("type").and_then(Value::as_str).unwrap_or("");
        let value = result.get("value").and_then(Value::as_object);
        match (what, value) {
            ("labels", Some(value)) => {
                let places = value.get("start").zip(value.get("end"));
                let (Some((start, end)), Some(Value::Array(labels))) = (places, value.get("labels")) else {
                    return Err("expected `start`, `end` and `labels` in a region, found others".to_owned());
                };
                let quote = value.get("text").and_then(Value::as_str).map(str::to_owned);
                for label in labels {
                    raw.push(RawSpan {
                        start: position(Some(start), "start")?,
                        end: position(Some(end), "end")?,
                        label: string(label, "a label")?,
                        quote: quote.clone(),
                    });
                    regions.push(result.get("id").cloned().unwrap_or(Value::Null));
                }
            }
            ("choices", Some(value)) if value.get("start").is_none() && value.contains_key("choices") => {
                for label in list(value["choices"].clone(), "choices")? {
                    document.labels.push(string(&label, "a choice")?);
                }
            }
            _ => rest.push(result),
        }
    }
    let places = places_of(&raw);
    row.settle(document, raw, &UNITS)?;
    rest.retain(|result| {
        let links = links_of(result, &regions, &places);
        document.links.extend(links.iter().flatten().cloned());
        links.is_none()
    });
    if !document.links.is_empty() || !rest.is_empty() {
        let regions: Vec<Value> =
            regions.into_iter().zip(&places).filter(|(_, place)| place.is_some()).map(|(id, _)| id).collect();
        document.meta.insert(REGIONS.to_owned(), Value::Array(regions));
    }
    if !rest.is_empty() {
        let name = if document.id.is_empty() { row.name.as_str() } else { &*document.id };
        for result in &rest {
            row.report.remarks.add(RemarkKind::OtherLine, name, row.line, || {
                result.get("type").and_then(Value::as_str).unwrap_or("a result without a type").to_owned()
            });
        }
        document.meta.insert(RESULTS.to_owned(), Value::Array(rest));
    }
    if annotation.get("was_cancelled") == Some(&Value::Bool(true)) {
        document.meta.insert(ANSWER.to_owned(), "ignore".into());
    }
    if predicted {
        annotation.insert("predicted".to_owned(), true.into());
    }
    annotation.shift_remove("was_cancelled");
    if !annotation.is_empty() {
        document.meta.insert(ANNOTATION.to_owned(), Value::Object(annotation));
    }
    Ok(())
}

/// The links of a relation between regions, one for each of its labels; `None` if it is another result.
fn links_of(result: &Value, regions: &[Value], places: &[Option<u32>]) -> Option<Vec<Link>> {
    if result.get("type")?.as_str()? != "relation" {
        return None;
    }
    let place = |key: &str| {
        let id = result.get(key)?;
        places[regions.iter().position(|region| region == id)?]
    };
    let (from, to) = (place("from_id")?, place("to_id")?);
    let back = result.get("direction").and_then(Value::as_str) == Some("left");
    let (from, to) = if back { (to, from) } else { (from, to) };
    let labels = result.get("labels")?.as_array().filter(|labels| !labels.is_empty())?;
    labels.iter().map(|label| Some(Link { from, to, kind: label.as_str()?.into() })).collect()
}

/// Writes a task; ids of tasks and annotations are numbers, as Label Studio wants them, and another id stands in
/// `data.id`.
pub(super) fn write(document: &Document, out: &mut Out<'_>) -> Value {
    let number = document.id.parse::<u64>().ok().filter(|number| number.to_string() == *document.id);
    let mut data = Map::new();
    data.insert("text".to_owned(), document.text.as_str().into());
    if number.is_none() && !document.id.is_empty() {
        data.insert("id".to_owned(), (&*document.id).into());
    }
    let mut clash = false;
    for (key, value) in &document.meta {
        match key.as_str() {
            ANSWER | ANNOTATION | RESULTS | REGIONS => {}
            "text" | "id" => clash = true,
            _ => drop(data.insert(key.clone(), value.clone())),
        }
    }
    if clash {
        out.remark(RemarkKind::MetadataDropped, || "`text` or `id`".to_owned());
    }
    let mut task = Map::new();
    task.insert("id".to_owned(), number.unwrap_or(out.number).into());
    task.insert("data".to_owned(), Value::Object(data));
    let answer = document.meta.get(ANSWER).and_then(Value::as_str);
    if answer == Some("missing") {
        task.insert("annotations".to_owned(), json!([]));
        return Value::Object(task);
    }
    let mut annotation = match document.meta.get(ANNOTATION) {
        Some(Value::Object(known)) => known.clone(),
        _ => Map::from_iter([("id".to_owned(), Value::from(out.number))]),
    };
    let predicted = annotation.shift_remove("predicted") == Some(Value::Bool(true));
    annotation.insert("result".to_owned(), results(document, out));
    if predicted || out.options.predictions {
        task.insert("annotations".to_owned(), json!([]));
        task.insert("predictions".to_owned(), json!([annotation]));
    } else {
        annotation.insert("was_cancelled".to_owned(), matches!(answer, Some("ignore" | "reject")).into());
        task.insert("annotations".to_owned(), json!([annotation]));
    }
    Value::Object(task)
}

fn results(document: &Document, out: &Out<'_>) -> Value {
    let offsets = Offsets::new(&document.text);
    let utf16 = |place: u32| {
        let byte = offsets.byte_of(OffsetUnit::CodePoints, place)?;
        offsets.position_of(OffsetUnit::Utf16, byte)
    };
    let regions = document.meta.get(REGIONS).and_then(Value::as_array).filter(|ids| ids.len() == document.spans.len());
    let mut results: Vec<Value> = Vec::with_capacity(document.spans.len() + 1);
    let id_of = |place: usize| -> Value {
        regions.map_or_else(|| format!("t{}r{}", out.number, place + 1).into(), |ids| ids[place].clone())
    };
    for (place, span) in document.spans.iter().enumerate() {
        results.push(json!({
            "id": id_of(place), "from_name": "label", "to_name": "text", "type": "labels",
            "value": { "start": utf16(span.start), "end": utf16(span.end), "text": span.quote, "labels": [&*span.label] },
        }));
    }
    if !document.labels.is_empty() {
        let choices: Vec<&str> = document.labels.iter().map(|label| &**label).collect();
        results.push(json!({
            "id": format!("t{}c", out.number), "from_name": "choice", "to_name": "text", "type": "choices",
            "value": { "choices": choices },
        }));
    }
    results.extend(document.links.iter().map(|link| {
        let (from, to) = (id_of(link.from as usize), id_of(link.to as usize));
        json!({ "from_id": from, "to_id": to, "type": "relation", "direction": "right", "labels": [&*link.kind] })
    }));
    if let Some(Value::Array(rest)) = document.meta.get(RESULTS) {
        results.extend(rest.iter().cloned());
    }
    Value::Array(results)
}

/// The labelling configuration that goes with a file written here: without it, annotations do not show.
pub fn labelling_config<'n>(
    labels: impl IntoIterator<Item = &'n Name>,
    choices: impl IntoIterator<Item = &'n Name>,
    links: impl IntoIterator<Item = &'n Name>,
) -> String {
    let mut xml = String::from("<View>\n  <Labels name=\"label\" toName=\"text\">\n");
    for label in labels {
        let _ = writeln!(xml, "    <Label value=\"{}\"/>", escape(label));
    }
    xml.push_str("  </Labels>\n  <Text name=\"text\" value=\"$text\"/>\n");
    let mut choices = choices.into_iter().peekable();
    if choices.peek().is_some() {
        xml.push_str("  <Choices name=\"choice\" toName=\"text\" choice=\"multiple\">\n");
        for choice in choices {
            let _ = writeln!(xml, "    <Choice value=\"{}\"/>", escape(choice));
        }
        xml.push_str("  </Choices>\n");
    }
    let mut links = links.into_iter().peekable();
    if links.peek().is_some() {
        xml.push_str("  <Relations>\n");
        for link in links {
            let _ = writeln!(xml, "    <Relation value=\"{}\"/>", escape(link));
        }
        xml.push_str("  </Relations>\n");
    }
    xml.push_str("</View>\n");
    xml
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
