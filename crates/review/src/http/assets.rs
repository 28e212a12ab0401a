//! The page's files, which are part of the binary: a path names one of them or nothing.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::failure::Failure;

const FILES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));
const SHELL: &str = "index.html";

/// A file by its name.
pub(super) fn file(name: &str, headers: &HeaderMap) -> Response {
    let Some((name, bytes)) = FILES.iter().find(|(known, _)| *known == name) else {
        return Failure::not_found("expected the name of a file of the page, found another").into_response();
    };
    let kind = match name.rsplit_once('.').map_or("", |(_, ending)| ending) {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "webmanifest" | "json" => "application/json",
        _ => "text/plain; charset=utf-8",
    };
    let tag = format!("\"{}\"", postil_core::Digest::of(bytes).short());
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let (status, body) =
        if known { (StatusCode::NOT_MODIFIED, Body::empty()) } else { (StatusCode::OK, Body::from(*bytes)) };
    // A new binary may have new files under the same names, so a browser asks each time, and mostly gets nothing.
    let head =
        [(header::CONTENT_TYPE, kind.to_owned()), (header::ETAG, tag), (header::CACHE_CONTROL, "no-cache".to_owned())];
    (status, head, body).into_response()
}

/// The page.
pub(super) fn shell(headers: &HeaderMap) -> Response {
    file(SHELL, headers)
}
