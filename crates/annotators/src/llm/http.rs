//! One request over the wire, and what its end means: for the answer, for the money, and for trying again.

use std::time::Duration;

use bytes::Bytes;
use postil_core::{Error, Result};
use reqwest::StatusCode;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, DATE, HeaderMap, HeaderValue, RETRY_AFTER};

use super::spec::LlmSpec;

/// The longest body that is read.
const MOST_BYTES: usize = 32 << 20;

/// An endpoint that can be asked.
pub(super) struct Endpoint {
    client: reqwest::Client,
    base: String,
    url: String,
    key: Option<HeaderValue>,
    secret: Option<String>,
}

/// How a request ended.
#[derive(Debug)]
pub(super) enum End {
    /// A reply in JSON.
    Reply(Vec<u8>),
    /// No reply this time; trying again may help.
    Again {
        reason: String,
        /// Whether it may have been billed all the same.
        billed: bool,
        /// Whether no connection was made.
        unreached: bool,
        /// Whether the endpoint says that it is asked too much.
        too_much: bool,
        pause: Option<Duration>,
    },
    /// This request will never be answered; others may.
    Never(String),
    /// No request will be answered until a person does something.
    Stop(Error),
}

impl Endpoint {
    /// Prepares to ask an endpoint; the key is read from the environment here and goes nowhere else. Who stays offline needs none.
    ///
    /// # Errors
    /// The environment variable is not set; the system has no certificates to trust.
    pub(super) fn new(spec: &LlmSpec, offline: bool) -> Result<Self> {
        let secret = match &spec.key {
            Some(name) if !offline => {
                Some(std::env::var(name).ok().filter(|key| !key.trim().is_empty()).ok_or_else(|| {
                    Error::task(format!(
                        "annotator `{}`: expected a key in the environment variable `{name}`, found none",
                        spec.name
                    ))
                    .hint(format!("run `export {name}=...` first; keys are never read from files"))
                })?)
            }
            _ => None,
        };
        let key = match &secret {
            None => None,
            Some(secret) => {
                let mut value = HeaderValue::from_str(&format!("Bearer {}", secret.trim())).map_err(|_| {
                    Error::task(format!("annotator `{}`: the key holds characters that no key has", spec.name))
                })?;
                value.set_sensitive(true);
                Some(value)
            }
        };
        // A second provider in the same process is refused, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder()
            .user_agent(concat!("postil/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs_f64(spec.timeout_seconds))
            .pool_max_idle_per_host(spec.concurrency as usize)
            .http1_only();
        if is_local(&spec.endpoint) {
            client = client.no_proxy();
        }
        let client = client
            .build()
            .map_err(|error| Error::unavailable(format!("no connection can be made: {}", chain(&error))))?;
        let base = spec.endpoint.trim_end_matches('/').to_owned();
        let url = format!("{base}/{}", spec.dialect.path());
        Ok(Self { client, base, url, key, secret })
    }

    /// Sends one request and waits for its end.
    pub(super) async fn send(&self, body: Bytes) -> End {
        self.exchange(self.client.post(&self.url).header(CONTENT_TYPE, "application/json").body(body), false).await
    }

    /// Sends something to another path of the endpoint.
    pub(super) async fn post(&self, path: &str, kind: &str, body: Vec<u8>) -> End {
        self.exchange(self.client.post(format!("{}/{path}", self.base)).header(CONTENT_TYPE, kind).body(body), false)
            .await
    }

    /// Fetches another path of the endpoint: an object, or lines of objects.
    pub(super) async fn get(&self, path: &str, lines: bool) -> End {
        self.exchange(self.client.get(format!("{}/{path}", self.base)), lines).await
    }

    async fn exchange(&self, mut request: reqwest::RequestBuilder, lines: bool) -> End {
        if let Some(key) = &self.key {
            request = request.header(AUTHORIZATION, key.clone());
        }
        let most = if lines { MOST_BYTES * 16 } else { MOST_BYTES };
        let mut response = match request.send().await {
            Ok(response) => response,
            Err(error) => return self.lost(&error),
        };
        let (status, headers) = (response.status(), response.headers().clone());
        let mut bytes = Vec::with_capacity(response.content_length().unwrap_or(0).min(1 << 20) as usize);
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len() + chunk.len() > most => {
                    return End::Never(format!("the reply is longer than {} MB", most >> 20));
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => return self.lost(&error),
            }
        }
        if lines && status.is_success() {
            return End::Reply(bytes);
        }
        self.judge(status, &headers, bytes)
    }

    fn lost(&self, error: &reqwest::Error) -> End {
        // Only a connection that was never made is sure to have cost nothing.
        let billed = !error.is_connect();
        let what = if error.is_timeout() { "no reply in time" } else { "the connection was lost" };
        let what = if error.is_connect() { "no connection" } else { what };
        let reason = self.safe(&format!("{what}: {}", chain(error)));
        End::Again { reason, billed, unreached: !billed, too_much: false, pause: None }
    }

    fn judge(&self, status: StatusCode, headers: &HeaderMap, bytes: Vec<u8>) -> End {
        if status.is_success() {
            if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes)
                .is_ok_and(|_| bytes.trim_ascii_start().starts_with(b"{"))
            {
                return End::Reply(bytes);
            }
            let page = bytes.trim_ascii_start().starts_with(b"<");
            let what = if page { "a web page instead of a reply" } else { "a reply that is cut off or not JSON" };
            let reason = self.safe(&format!("{what}: {}", words(&bytes)));
            return End::Again { reason, billed: !page, unreached: false, too_much: false, pause: None };
        }
        let said = self.safe(&message(&bytes));
        let reason = format!("status {}: {said}", status.as_u16());
        match status.as_u16() {
            429 if String::from_utf8_lossy(&bytes).contains("insufficient_quota") => {
                End::Stop(Error::unavailable(format!("{} says that the account has nothing left: {said}", self.url)))
            }
            code @ (408 | 409 | 425 | 429 | 500 | 502 | 503 | 504 | 529) => End::Again {
                reason,
                billed: false,
                unreached: false,
                too_much: matches!(code, 429 | 503 | 529),
                pause: pause(headers),
            },
            401 | 403 => End::Stop(
                Error::task(format!("{} does not accept the key: {reason}", self.url))
                    .hint("check the environment variable that `key` names, and what the key may do"),
            ),
            404 => End::Stop(
                Error::task(format!("{} is not served or does not know the model: {reason}", self.url))
                    .hint("check `endpoint` (with its version, such as /v1), `dialect` and `model`"),
            ),
            405 | 501 => End::Stop(
                Error::task(format!("{} does not speak this dialect: {reason}", self.url))
                    .hint("check `dialect`, or choose a model that does"),
            ),
            _ => End::Never(reason),
        }
    }

    /// A text without the key, which some servers repeat in their errors.
    fn safe(&self, text: &str) -> String {
        match &self.secret {
            Some(secret) => text.replace(secret.trim(), "[key]"),
            None => text.to_owned(),
        }
    }
}

fn is_local(endpoint: &str) -> bool {
    let host = endpoint.split_once("://").map_or(endpoint, |(_, rest)| rest);
    let host = host.split(['/', '?']).next().unwrap_or("");
    ["localhost", "127.", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// How long the endpoint wants to be left alone: milliseconds, seconds, or a date, which is compared with the reply's own.
fn pause(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if let Some(millis) = text("retry-after-ms").and_then(|text| text.parse::<f64>().ok()) {
        return Duration::try_from_secs_f64(millis / 1000.0).ok().map(sane);
    }
    let value = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(sane);
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(text(DATE.as_str())?).ok()?;
    until.duration_since(now).ok().map(sane)
}

fn sane(pause: Duration) -> Duration {
    pause.min(Duration::from_mins(10))
}

/// What an error body says.
fn message(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let error = value.get("error").unwrap_or(&value);
    let said = error.get("message").or(Some(error)).and_then(serde_json::Value::as_str);
    said.map_or_else(|| words(bytes), |said| said.chars().take(300).collect())
}

fn words(bytes: &[u8]) -> String {
    let text: String =
        String::from_utf8_lossy(&bytes[..bytes.len().min(1200)]).split_whitespace().collect::<Vec<_>>().join(" ");
    if text.is_empty() { "nothing".to_owned() } else { text.chars().take(200).collect() }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let said = inner.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_read_in_every_form() {
        let headers = |pairs: &[(&'static str, &str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect::<HeaderMap>()
        };
        assert_eq!(pause(&headers(&[("retry-after", "2")])), Some(Duration::from_secs(2)));
        assert_eq!(pause(&headers(&[("retry-after-ms", "250")])), Some(Duration::from_millis(250)));
        let date = [("retry-after", "Fri, 27 Nov 2026 10:00:07 GMT"), ("date", "Fri, 27 Nov 2026 10:00:00 GMT")];
        assert_eq!(pause(&headers(&date)), Some(Duration::from_secs(7)));
        assert_eq!(pause(&headers(&date[..1])), None);
        assert_eq!(pause(&headers(&[("retry-after", "99999999")])), Some(Duration::from_mins(10)));
        assert_eq!(pause(&headers(&[("retry-after", "-3")])), None);
        assert_eq!(pause(&headers(&[])), None);
    }
}
