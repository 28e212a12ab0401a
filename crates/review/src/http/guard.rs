//! Who may come in, and by which way.
//!
//! - The `Host` must be this server's: a page of a foreign name that points here (DNS rebinding) gets nothing.
//! - A request that changes something needs the header `X-Postil`, which a page of another origin cannot send without
//!   being asked first, and no foreign `Origin`.
//! - A person comes with a token; on a loopback address, without one, it is the local owner.
//! - Every route says which role it needs; one that says nothing does not exist.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::failure::{Failure, Outcome};
use crate::now_millis;
use crate::room::{Caller, Room, lock};
use crate::wire::Role;

/// The header that only our own page sends.
const OURS: &str = "x-postil";

/// Nothing but the page's own files, and no page around it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
                      connect-src 'self'; manifest-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// The cookie of a personal link. Cookies are shared between ports and outlive servers, so its name tells projects apart.
pub(super) fn cookie_name(room: &Room) -> String {
    format!("postil-{}", crate::session::id(&room.place))
}

/// For every request: the host, the origin, and what the answer tells the browser.
pub(super) async fn doorman(State(room): State<Arc<Room>>, request: Request, next: Next) -> Response {
    let checked = check_way(&room, request.method(), request.headers());
    let mut response = match checked {
        Ok(()) => next.run(request).await,
        Err(failure) => failure.into_response(),
    };
    let headers = response.headers_mut();
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set("content-security-policy", POLICY);
    set("x-content-type-options", "nosniff");
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("cross-origin-resource-policy", "same-origin");
    set("x-frame-options", "DENY");
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn check_way(room: &Room, method: &Method, headers: &HeaderMap) -> Outcome<()> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
    if !is_ours(room, host) {
        return Err(Failure::forbidden("expected this server's own name as host, found another")
            .hint("name it when the server is started: `--host NAME`"));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("?"));
    let foreign = origin.is_some_and(|origin| {
        let authority = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        authority != Some(host)
    });
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok());
    if foreign || site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Failure::forbidden("expected a request of this server's own page, found one of another origin"));
    }
    if headers.get(OURS).is_none_or(|value| value.as_bytes() != b"1") {
        return Err(Failure::forbidden("expected the header `X-Postil: 1`, found none"));
    }
    Ok(())
}

/// Whether a `Host` names this server: a loopback name, an address, or a name it was given.
fn is_ours(room: &Room, host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    let local = room.serving.address.is_loopback();
    match bare.parse::<IpAddr>() {
        // Whoever types an address means this machine: names are what can be made to point elsewhere.
        Ok(address) => address.is_loopback() || !local,
        Err(_) => bare == "localhost" || room.serving.hosts.iter().any(|host| host.eq_ignore_ascii_case(bare)),
    }
}

/// For every route that asks for a role.
pub(super) async fn admit(
    State((room, needed)): State<(Arc<Room>, Role)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Failure> {
    let caller = caller(&room, request.headers())?;
    if caller.role < needed {
        let needed = serde_json::to_value(needed).ok();
        let needed = needed.as_ref().and_then(serde_json::Value::as_str).unwrap_or("own");
        return Err(Failure::forbidden(format!("expected the role `{needed}` or above, found a lower one"))
            .hint("ask the project's owner"));
    }
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

fn caller(room: &Room, headers: &HeaderMap) -> Outcome<Caller> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
    if let Some(token) = bearer.or_else(|| cookie(headers, &cookie_name(room))) {
        let found = lock(&room.people).find(&token, now_millis());
        let (name, role) = found.ok_or_else(Failure::unauthorized)?;
        return Ok(Caller { name, role, local: false });
    }
    if room.serving.address.is_loopback() {
        return Ok(Caller { name: room.serving.owner.as_str().into(), role: Role::Own, local: true });
    }
    Err(Failure::unauthorized())
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}
