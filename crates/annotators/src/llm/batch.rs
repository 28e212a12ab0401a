//! Batches: requests handed over in one file and collected by a later run.
//!
//! A batch is written down before it is handed over, under a tag that the endpoint keeps with it: a process that dies
//! between the two finds the batch again by its tag, and nothing is bought twice. Collected replies go into the journal, and
//! from there into annotations like any other.

use std::collections::HashSet;
use std::time::Duration;

use postil_core::ledger::{Batch, Reply};
use postil_core::{Digest, Error, ItemBatch, Result};
use serde_json::{Value, json};

use super::annotator::LlmAnnotator;
use super::chat;
use super::engine::Engine;
use super::http::{End, Endpoint};
use super::spec::{Dialect, billed};

/// The most requests of one batch, and the most bytes of its file: what endpoints take.
const MOST_REQUESTS: usize = 50_000;
const MOST_BYTES: usize = 190 << 20;

/// What became of the batches of a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batches {
    /// Replies that were collected.
    pub collected: u64,
    /// Requests that came back without a reply, and why the first did.
    pub failed: u64,
    /// The first failure in words.
    pub first_failure: Option<String>,
    /// Batches that are on their way, with what the endpoint says of each.
    pub waiting: Vec<String>,
    /// Requests that were handed over now.
    pub submitted: u64,
    /// Whether the cap left no room for all.
    pub cap_reached: bool,
}

impl Engine {
    /// Collects what is ready. What is not stays written down.
    ///
    /// # Errors
    /// The endpoint cannot be asked, or says something that is no batch.
    pub fn collect(&mut self, annotator: &LlmAnnotator, at_millis: &dyn Fn() -> i64) -> Result<Batches> {
        let mut found = Batches::default();
        let (endpoint, _) = self.way(annotator.spec())?;
        let open = self.journal.borrow().open_batches(annotator.identity().version)?;
        for mut batch in open {
            let now = at_millis();
            if batch.name.is_none() {
                let Some(name) = self.runtime.block_on(by_tag(&endpoint, batch.tag))? else {
                    // It was written down and never arrived.
                    self.journal.borrow_mut().end_batch(batch, now)?;
                    continue;
                };
                self.journal.borrow_mut().name_batch(&mut batch, &name)?;
            }
            let name = batch.name.clone().unwrap_or_default();
            let state = self.runtime.block_on(fetch(&endpoint, &format!("batches/{name}")))?;
            let status = state.get("status").and_then(Value::as_str).unwrap_or("unknown");
            if !matches!(status, "completed" | "failed" | "expired" | "cancelled") {
                let count =
                    |part: &str| state.pointer(&format!("/request_counts/{part}")).and_then(Value::as_u64).unwrap_or(0);
                found.waiting.push(format!("{name}: {status}, {} of {} requests", count("completed"), count("total")));
                continue;
            }
            for part in ["output_file_id", "error_file_id"] {
                let Some(file) = state.get(part).and_then(Value::as_str) else { continue };
                let path = format!("files/{file}/content");
                let lines = match self.runtime.block_on(patiently(|| endpoint.get(&path, true)))? {
                    Ok(lines) => lines,
                    Err(reason) => {
                        return Err(Error::unavailable(format!(
                            "the file of the batch {name} cannot be fetched: {reason}"
                        )));
                    }
                };
                for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                    self.take(annotator, &mut batch, line, &mut found, now)?;
                }
            }
            if let Some(message) = state.pointer("/errors/data/0/message").and_then(Value::as_str) {
                found.first_failure.get_or_insert_with(|| message.to_owned());
            }
            found.failed += batch.calls.len() as u64;
            self.journal.borrow_mut().end_batch(batch, now)?;
        }
        Ok(found)
    }

    /// One line of a result.
    fn take(
        &self,
        annotator: &LlmAnnotator,
        batch: &mut Batch,
        line: &[u8],
        found: &mut Batches,
        now: i64,
    ) -> Result<()> {
        let Ok(line) = serde_json::from_slice::<Value>(line) else { return Ok(()) };
        let key = line.get("custom_id").and_then(Value::as_str).and_then(Digest::parse);
        // A line about a request that is none of ours, or that a run before this one took already.
        let Some(call) = key.and_then(|key| batch.calls.remove(&key)) else { return Ok(()) };
        let status = line.pointer("/response/status_code").and_then(Value::as_u64).unwrap_or(0);
        let body = line.pointer("/response/body").filter(|body| status == 200 && body.is_object());
        let Some(body) = body else {
            found.failed += 1;
            let error = line.pointer("/error/message").or_else(|| line.pointer("/response/body/error/message"));
            let reason = error.and_then(Value::as_str).unwrap_or("no reason is given");
            found.first_failure.get_or_insert_with(|| format!("status {status}: {reason}"));
            return self.journal.borrow_mut().release(call, now);
        };
        let body = body.to_string().into_bytes();
        let price = annotator.spec().price;
        let cost = chat::usage(&body).map_or(call.worst(), |(input, output)| billed(price, input, output));
        found.collected += 1;
        self.journal.borrow_mut().settle(call, &Reply { body, cost }, now)
    }

    /// Hands over the requests about some rows that are not in the journal, as far as the cap and the endpoint's limits on
    /// one batch allow. What is left goes with a later batch.
    ///
    /// # Errors
    /// The endpoint does not take the batch; nothing was bought then.
    pub fn submit(
        &mut self,
        annotator: &LlmAnnotator,
        rows: &mut dyn Iterator<Item = Result<(ItemBatch, Vec<usize>)>>,
        at_millis: &dyn Fn() -> i64,
    ) -> Result<Batches> {
        let spec = annotator.spec();
        let mut found = Batches::default();
        let (endpoint, _) = self.way(spec)?;
        let (mut file, mut requests, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
        let mut spent = self.spent();
        'all: for batch in rows {
            let (items, rows) = batch?;
            for row in rows {
                for request in annotator.requests(items.text(row), "") {
                    let twice = seen.contains(&request.key);
                    if twice || self.journal.borrow().reply(request.key)?.is_some() {
                        continue;
                    }
                    let worst = request.tokens.worst(spec.price);
                    found.cap_reached = !self.cap.allows(spent, worst);
                    if found.cap_reached || requests.len() == MOST_REQUESTS || file.len() > MOST_BYTES {
                        break 'all;
                    }
                    spent.open = spent.open + worst;
                    let head = format!(
                        "{{\"custom_id\":\"{}\",\"method\":\"POST\",\"url\":\"/v1/{}\",\"body\":",
                        request.key,
                        Dialect::Chat.path()
                    );
                    file.extend_from_slice(head.as_bytes());
                    file.extend_from_slice(&request.body);
                    file.extend_from_slice(b"}\n");
                    seen.insert(request.key);
                    requests.push((request.key, worst));
                }
            }
        }
        if requests.is_empty() {
            return Ok(found);
        }
        let now = at_millis();
        let version = annotator.identity().version;
        let keys = requests.iter().map(|(key, _)| key.as_bytes().as_slice());
        let tag = Digest::of_parts(keys.chain([now.to_le_bytes().as_slice()]));
        let mut batch = self.journal.borrow_mut().begin_batch(version, tag, &requests, now)?;
        let handed = self.runtime.block_on(hand_over(&endpoint, file, tag));
        match handed {
            Ok(name) => {
                self.journal.borrow_mut().name_batch(&mut batch, &name)?;
                found.submitted = requests.len() as u64;
                found.waiting.push(format!("{name}: handed over"));
                Ok(found)
            }
            Err((error, arrived)) => {
                if !arrived {
                    self.journal.borrow_mut().end_batch(batch, now)?;
                }
                Err(error)
            }
        }
    }
}

/// Uploads the file and starts the batch. The flag says that it may have arrived all the same.
async fn hand_over(endpoint: &Endpoint, file: Vec<u8>, tag: Digest) -> Result<String, (Error, bool)> {
    let border = format!("postil-{tag}");
    let mut form = format!(
        "--{border}\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n--{border}\r\nContent-Disposition: \
         form-data; name=\"file\"; filename=\"requests.jsonl\"\r\nContent-Type: application/jsonl\r\n\r\n"
    )
    .into_bytes();
    form.extend_from_slice(&file);
    form.extend_from_slice(format!("\r\n--{border}--\r\n").as_bytes());
    drop(file);
    let kind = format!("multipart/form-data; boundary={border}");
    let refused = |what: &str, reason: String| Error::unavailable(format!("{what}: {reason}"));
    let uploaded = patiently(|| endpoint.post("files", &kind, form.clone())).await.map_err(|error| (error, false))?;
    let uploaded = uploaded.map_err(|reason| (refused("the file of the batch is not taken", reason), false))?;
    let uploaded: Value = serde_json::from_slice(&uploaded).unwrap_or_default();
    let Some(file) = uploaded.get("id").and_then(Value::as_str) else {
        return Err((refused("the file of the batch is not taken", uploaded.to_string()), false));
    };
    let order = json!({ "input_file_id": file, "endpoint": format!("/v1/{}", Dialect::Chat.path()),
        "completion_window": "24h", "metadata": { "postil": tag.to_string() } });
    // Tried once: whether a lost order arrived is found out by its tag.
    match endpoint.post("batches", "application/json", order.to_string().into_bytes()).await {
        End::Reply(body) => {
            let state: Value = serde_json::from_slice(&body).unwrap_or_default();
            let name = state.get("id").and_then(Value::as_str).map(str::to_owned);
            name.ok_or_else(|| (refused("expected the name of a batch", state.to_string()), true))
        }
        End::Stop(error) => Err((error, false)),
        End::Never(reason) => Err((refused("the batch is not taken", reason), false)),
        End::Again { reason, billed, .. } => Err((refused("the batch was not confirmed; run again", reason), billed)),
    }
}

/// The name of the batch with a tag, among the latest.
async fn by_tag(endpoint: &Endpoint, tag: Digest) -> Result<Option<String>> {
    let list = fetch(endpoint, "batches?limit=100").await?;
    let tag = tag.to_string();
    let batches = list.get("data").and_then(Value::as_array);
    let found =
        batches.into_iter().flatten().find(|one| one.pointer("/metadata/postil").and_then(Value::as_str) == Some(&tag));
    Ok(found.and_then(|one| one.get("id")).and_then(Value::as_str).map(str::to_owned))
}

async fn fetch(endpoint: &Endpoint, path: &str) -> Result<Value> {
    match patiently(|| endpoint.get(path, false)).await? {
        Ok(body) => Ok(serde_json::from_slice(&body).unwrap_or_default()),
        Err(reason) => Err(Error::unavailable(format!("`{path}` cannot be fetched: {reason}"))),
    }
}

/// Tries a few times what does no harm twice.
async fn patiently<F: Future<Output = End>>(send: impl Fn() -> F) -> Result<Result<Vec<u8>, String>> {
    let mut last = String::new();
    for attempt in 0..6u32 {
        match send().await {
            End::Reply(body) => return Ok(Ok(body)),
            End::Stop(error) => return Err(error),
            End::Never(reason) => return Ok(Err(reason)),
            End::Again { reason, pause, .. } => {
                last = reason;
                let wait = pause.unwrap_or_default() + Duration::from_millis(100 << attempt);
                tokio::time::sleep(wait).await;
            }
        }
    }
    Ok(Err(last))
}
