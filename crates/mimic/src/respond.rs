//! From a request's body to a response, whatever the dialect: parsing, checks that all dialects share, faults that
//! are answers. Connections and the log lie elsewhere, so that rows of a batch take the same way.

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Context, Dialect};
use crate::fault::{Fault, RetryAfter};
use crate::question::Digest;
use crate::{chat, decision, http};

/// A request that wants an answer from the model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking<'a> {
    pub(crate) path: &'a str,
    pub(crate) body: &'a [u8],
    pub(crate) digest: Digest,
    pub(crate) attempt: u32,
    pub(crate) fault: Option<&'a Fault>,
}

/// What the log says about a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) model: String,
    pub(crate) item: Option<String>,
    pub(crate) reply: String,
    pub(crate) input_tokens: u64,
    pub(crate) output_tokens: u64,
}

/// A response before it goes out.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
    pub(crate) note: Box<Note>,
}

impl Response {
    pub(crate) fn json(body: &Value) -> Self {
        Self::text("application/json", body.to_string())
    }

    pub(crate) fn text(content_type: &'static str, body: String) -> Self {
        Self { status: 200, headers: Vec::new(), content_type, body: body.into_bytes(), note: Box::default() }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        let kind = match status {
            401 => "authentication_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        };
        let error = json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
        Self { status, note: Box::new(Note { reply: code.to_owned(), ..Note::default() }), ..Self::json(&error) }
    }
}

/// A response or an error that is one.
pub(crate) type Outcome = Result<Response, Response>;

/// Whether a path belongs to a model, and if so whether its route is on.
pub(crate) fn dialect(behaviour: &Behaviour, path: &str) -> Option<Dialect> {
    let capabilities = &behaviour.capabilities;
    match path {
        "/v1/chat/completions" => Some(capabilities.chat),
        "/v1/systemone" => Some(capabilities.system_one),
        "/v1/decisions" => Some(capabilities.decisions),
        _ => None,
    }
}

/// An error for a route that is off.
pub(crate) fn closed(dialect: Dialect) -> Option<Response> {
    match dialect {
        Dialect::On => None,
        Dialect::NotFound => Some(Response::error(404, "not_found", "there is no such route")),
        Dialect::NotImplemented => {
            Some(Response::error(501, "not_supported", "the loaded model does not support this route"))
        }
    }
}

/// Answers a request.
pub(crate) fn respond(behaviour: &Behaviour, asking: &Asking<'_>) -> Response {
    let Some(dialect) = dialect(behaviour, asking.path) else {
        return Response::error(404, "not_found", &format!("there is no route {}", asking.path));
    };
    if let Some(response) = closed(dialect) {
        return response;
    }
    let Ok(body) = serde_json::from_slice::<Value>(asking.body) else {
        return Response::error(400, "invalid_json", "the body is not JSON");
    };
    let chat = asking.path == "/v1/chat/completions";
    let mut read = if chat { chat::read(&body) } else { decision::read(&body) };
    let mut response = match &mut read {
        Err(response) => response.clone(),
        Ok(read) => {
            let answer = if chat { chat::respond } else { decision::respond };
            let outcome = checked(behaviour, asking, read).and_then(|()| answer(behaviour, asking, &body, read));
            outcome.unwrap_or_else(|response| response)
        }
    };
    if let Ok(read) = read {
        response.note.item = read.item().map(str::to_owned);
        response.note.model = read.model;
    }
    match asking.fault {
        Some(Fault::HtmlPage) => {
            let page = "<!DOCTYPE html>\n<html><head><title>Please wait</title></head><body><h1>Checking your browser</h1></body></html>\n";
            response.body = page.into();
            response.content_type = "text/html; charset=utf-8";
        }
        Some(Fault::TruncatedJson) => response.body.truncate(response.body.len() / 2),
        Some(Fault::MalformedJson) => response.body = b"{\"id\": chatcmpl, \"choices\": [{]}".to_vec(),
        _ => {}
    }
    response
}

/// What every dialect has: a model, the text that is read last, and the length of all of it.
pub(crate) struct Read {
    pub(crate) model: String,
    pub(crate) prompt: String,
    pub(crate) tokens: u64,
    /// Whether a prompt without fences is the item itself, as the state of a decision may be.
    pub(crate) bare: bool,
}

impl Read {
    /// The item.
    pub(crate) fn item(&self) -> Option<&str> {
        let bare = self.bare.then_some(self.prompt.as_str());
        crate::prompt::fenced(&self.prompt).map(|fenced| fenced.item).or(bare)
    }
}

/// Tokens of a text, at four bytes each.
pub(crate) fn tokens(bytes: usize) -> u64 {
    bytes.div_ceil(4) as u64
}

fn checked(behaviour: &Behaviour, asking: &Asking<'_>, read: &mut Read) -> Result<(), Response> {
    let retry = |response: Response, retry: RetryAfter| Response { headers: retry_after(retry), ..response };
    let throttled = || Response::error(429, "rate_limit_exceeded", "too many requests");
    match asking.fault {
        Some(Fault::Throttle(after)) => return Err(retry(throttled(), *after)),
        Some(Fault::Quota) => {
            return Err(Response::error(429, "insufficient_quota", "the quota of this key is used up"));
        }
        Some(Fault::ContextTooLong) => return Err(too_long(read.tokens / 2, read.tokens)),
        Some(Fault::Status(status)) => return Err(failed(*status)),
        _ => {}
    }
    if let Some(models) = &behaviour.models
        && !models.contains(&read.model)
    {
        return Err(Response::error(404, "model_not_found", &format!("there is no model `{}`", read.model)));
    }
    match behaviour.context {
        Context::Refused(most) if read.tokens > most => return Err(too_long(most, read.tokens)),
        Context::Truncated(most) if read.tokens > most => {
            let mut lost = ((read.tokens - most) as usize * 4).min(read.prompt.len());
            while !read.prompt.is_char_boundary(lost) {
                lost += 1;
            }
            read.prompt.drain(..lost);
            read.tokens = most;
        }
        _ => {}
    }
    Ok(())
}

/// An error of this status.
pub(crate) fn failed(status: u16) -> Response {
    let (code, message) = match status {
        401 => ("invalid_api_key", "the key is not known"),
        403 => ("forbidden", "the key may not do this"),
        404 => ("model_not_found", "there is no such model"),
        413 => ("request_too_large", "the request is too large"),
        422 => ("invalid_request", "the request makes no sense"),
        429 => ("rate_limit_exceeded", "too many requests"),
        503 => ("unavailable", "the model is loading"),
        529 => ("overloaded", "the server is overloaded"),
        _ => ("server_error", "something went wrong"),
    };
    Response::error(status, code, message)
}

fn too_long(most: u64, found: u64) -> Response {
    let message = format!("the model's context holds {most} tokens; the messages have {found}");
    Response::error(400, "context_length_exceeded", &message)
}

/// The headers that tell when to come again.
pub(crate) fn retry_after(retry: RetryAfter) -> Vec<(&'static str, String)> {
    match retry {
        RetryAfter::Unsaid => Vec::new(),
        RetryAfter::Seconds(seconds) => vec![("Retry-After", seconds.to_string())],
        // A date means little without the date of the server.
        RetryAfter::Date(seconds) => {
            vec![("Date", http::date_ahead(0)), ("Retry-After", http::date_ahead(seconds))]
        }
        RetryAfter::Milliseconds(milliseconds) => {
            vec![("retry-after-ms", milliseconds.to_string()), ("Retry-After", milliseconds.div_ceil(1000).to_string())]
        }
    }
}
