//! What can be asked for, and by whom.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, delete, get, post};
use axum::{Extension, Json, RequestExt, Router};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{assets, guard};
use crate::failure::{Failure, Outcome};
use crate::guidelines::Example;
use crate::now_millis;
use crate::room::{Caller, Room, lock};
use crate::same::{ChangeRequest, OccurrencesRequest, SurfacesRequest, TakeBackRequest};
use crate::wire::{AnswerRequest, HistoryRequest, LeaseRequest, Role, UndoRequest};

const CONTRACT: &str = include_str!("../../openapi.json");
/// The largest request; an answer about a very long document is far below it.
const LARGEST: usize = 4 << 20;
/// The largest project that is taken over.
const LARGEST_IMPORT: usize = 256 << 20;
/// How many times a client's patience a whole request may take, its body included.
const REQUEST: u32 = 2;
const IMPORT: u32 = 20;
/// How long a browser keeps a personal link, in seconds.
const COOKIE_AGE: u32 = 180 * 24 * 3600;

/// How often a page that listens hears of changes, at most.
const TICK: Duration = Duration::from_secs(1);

type Shared = State<Arc<Room>>;
type Who = Extension<Caller>;

/// All routes. Each asks for a role or stands among those that ask for none.
pub(super) fn router(room: &Arc<Room>) -> Router {
    let ask = |needed: Role, route: MethodRouter<Arc<Room>>| {
        route.layer(middleware::from_fn_with_state((room.clone(), needed), guard::admit))
    };
    let patience = room.serving.patience;
    let (annotate, review, own) = (Role::Annotate, Role::Review, Role::Own);
    let quick = Router::new()
        .route("/", get(|headers: HeaderMap| async move { assets::shell(&headers) }))
        .route("/assets/{*name}", get(asset))
        .route("/join", get(join))
        .route("/api/openapi.json", get(contract))
        .route("/api/session", ask(annotate, get(session)))
        .route("/api/lease", ask(annotate, post(lease)))
        .route("/api/answer", ask(annotate, post(answer)))
        .route("/api/undo", ask(annotate, post(undo)))
        .route("/api/history", ask(annotate, get(history)))
        .route("/api/guidelines", ask(annotate, get(guidelines)))
        .route("/api/examples", ask(review, post(example)))
        .route("/api/same", ask(review, post(same_surfaces)))
        .route("/api/same/occurrences", ask(review, post(same_occurrences)))
        .route("/api/same/change", ask(review, post(same_change)))
        .route("/api/same/undo", ask(review, post(same_undo)))
        .route("/api/same/log", ask(review, get(same_log)))
        .route("/api/draw", ask(own, post(draw)))
        .route("/api/live", ask(annotate, get(live)))
        .route("/api/people", ask(own, get(people)).merge(ask(own, post(invite))))
        .route("/api/people/{name}", ask(own, delete(revoke)))
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(middleware::from_fn(move |request: Request, next: Next| in_time(REQUEST * patience, request, next)));
    let slow = Router::new()
        .route("/api/export", ask(review, get(export)))
        .route("/api/import", ask(own, post(import)))
        .layer(DefaultBodyLimit::max(LARGEST_IMPORT))
        .layer(middleware::from_fn(move |request: Request, next: Next| in_time(IMPORT * patience, request, next)));
    quick
        .merge(slow)
        .fallback(|| async { Failure::not_found("expected a path of this server, found another") })
        .method_not_allowed_fallback(|| async { Failure::not_found("expected another method for this path") })
        .layer(middleware::from_fn_with_state(room.clone(), guard::doorman))
        .with_state(room.clone())
}

async fn in_time(longest: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
    }
}

/// Work on the ledger and on files waits for the disk: away from the thread that serves connections.
async fn aside<T: Send + 'static>(
    room: Arc<Room>,
    work: impl FnOnce(&Room) -> Outcome<T> + Send + 'static,
) -> Outcome<T> {
    tokio::task::spawn_blocking(move || work(&room))
        .await
        .unwrap_or_else(|_| Err(Failure::unavailable("something went wrong here: send the same again")))
}

async fn reply<T: Serialize + Send + 'static>(
    room: Arc<Room>,
    work: impl FnOnce(&Room) -> Outcome<T> + Send + 'static,
) -> Outcome<Response> {
    aside(room, work).await.map(|value| Json(value).into_response())
}

/// A body, or why it could not be taken: it is too large, or did not come whole.
type Sent = std::result::Result<Bytes, BytesRejection>;

fn body<T: DeserializeOwned>(sent: Sent) -> Outcome<T> {
    let bytes = sent.map_err(|refused| match refused.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Failure::too_large(format!("expected a body of at most {LARGEST} bytes")),
        _ => Failure::malformed(format!("expected a body that comes whole: {refused}")),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Failure::malformed(format!("expected another body: {error}")))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    assets::file(&name, &headers)
}

async fn contract() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], CONTRACT).into_response()
}

#[derive(Deserialize)]
struct Joining {
    token: String,
}

async fn join(State(room): Shared, Query(joining): Query<Joining>) -> Outcome<Response> {
    let age = if joining.token.is_empty() { 0 } else { COOKIE_AGE };
    if age > 0 {
        lock(&room.people).find(&joining.token, now_millis()).ok_or_else(Failure::unauthorized)?;
    }
    let name = guard::cookie_name(&room);
    // A token that was found is made of digits.
    let cookie = format!("{name}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={age}", joining.token);
    let cookie = HeaderValue::from_str(&cookie).map_err(|_| Failure::unauthorized())?;
    Ok((StatusCode::SEE_OTHER, [(header::LOCATION, HeaderValue::from_static("/")), (header::SET_COOKIE, cookie)])
        .into_response())
}

async fn session(State(room): Shared, Extension(caller): Who) -> Outcome<Response> {
    reply(room, move |room| Ok(room.session(&caller))).await
}

async fn lease(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let request: LeaseRequest = body(sent)?;
    reply(room, move |room| room.lease(&caller, &request)).await
}

async fn answer(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let request: AnswerRequest = body(sent)?;
    reply(room, move |room| room.answer(&caller, request)).await
}

async fn undo(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let request: UndoRequest = body(sent)?;
    reply(room, move |room| room.undo(&caller, &request)).await
}

async fn history(
    State(room): Shared,
    Extension(caller): Who,
    Query(request): Query<HistoryRequest>,
) -> Outcome<Response> {
    reply(room, move |room| room.history(&caller, &request)).await
}

async fn same_surfaces(State(room): Shared, sent: Sent) -> Outcome<Response> {
    let request: SurfacesRequest = body(sent)?;
    reply(room, move |room| room.same_surfaces(&request)).await
}

async fn same_occurrences(State(room): Shared, sent: Sent) -> Outcome<Response> {
    let request: OccurrencesRequest = body(sent)?;
    reply(room, move |room| room.same_occurrences(&request)).await
}

async fn same_change(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let request: ChangeRequest = body(sent)?;
    reply(room, move |room| room.same_change(&caller, &request)).await
}

async fn same_undo(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let request: TakeBackRequest = body(sent)?;
    reply(room, move |room| room.same_undo(&caller, &request)).await
}

async fn same_log(State(room): Shared, Extension(caller): Who) -> Outcome<Response> {
    reply(room, move |room| Ok(room.same_log(&caller))).await
}

async fn guidelines(State(room): Shared) -> Outcome<Response> {
    reply(room, Room::show_guidelines).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExampleRequest {
    item: String,
    label: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    note: Option<String>,
}

async fn example(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let ExampleRequest { item, label, text, note } = body(sent)?;
    reply(room, move |room| room.add_example(&caller, &item, Example { label, text, note })).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DrawRequest {
    count: usize,
}

/// How the work goes, once; or again and again, for as long as the page listens.
async fn live(State(room): Shared, Extension(caller): Who, headers: HeaderMap) -> Outcome<Response> {
    let streams = headers.get(header::ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    if !streams {
        return reply(room, move |room| Ok(room.live(&caller))).await;
    }
    // The room is held only while something is computed, so that a page that listens does not keep it.
    let start = (Arc::downgrade(&room), caller, None);
    let events = futures_util::stream::unfold(start, |(room, caller, mut seen)| async move {
        loop {
            let now = room.upgrade()?;
            let changes = now.desks().changes;
            if seen != Some(changes) {
                let asking = caller.clone();
                let found = aside(now, move |room| Ok(room.live(&asking))).await.ok()?;
                let event = Event::default().event("live").json_data(found).ok()?;
                tokio::time::sleep(if seen.is_some() { TICK } else { Duration::ZERO }).await;
                return Some((Ok::<_, std::convert::Infallible>(event), (room, caller, Some(changes))));
            }
            drop(now);
            seen = Some(changes);
            tokio::time::sleep(TICK).await;
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response())
}

async fn draw(State(room): Shared, Extension(caller): Who, sent: Sent) -> Outcome<Response> {
    let DrawRequest { count } = body(sent)?;
    reply(room, move |room| {
        let drawn = room.draw(count)?;
        Ok(json!({ "drawn": drawn, "queues": room.counts(&caller) }))
    })
    .await
}

async fn people(State(room): Shared) -> Outcome<Response> {
    let people = room.people().into_iter().map(|person| {
        json!({ "name": person.name, "role": person.role, "made": person.made, "revoked": person.revoked, "seen": person.seen })
    });
    Ok(Json(people.collect::<Vec<_>>()).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Invitation {
    name: String,
    role: Role,
}

async fn invite(State(room): Shared, headers: HeaderMap, sent: Sent) -> Outcome<Response> {
    let Invitation { name, role } = body(sent)?;
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    reply(room, move |room| {
        let (name, token) = room.invite(&name, role)?;
        let link = format!("http://{host}/join?token={token}");
        Ok(json!({ "name": name, "role": role, "link": link, "token": token }))
    })
    .await
}

async fn revoke(State(room): Shared, Path(name): Path<String>) -> Outcome<Response> {
    aside(room, move |room| room.revoke(&name)).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

#[derive(Deserialize)]
struct Exporting {
    format: String,
}

async fn export(State(room): Shared, Query(Exporting { format }): Query<Exporting>) -> Outcome<Response> {
    let ending = match format.as_str() {
        "csv" => "csv",
        "label-studio" => "json",
        "jsonl" | "doccano" | "prodigy" => "jsonl",
        other => return Err(Failure::invalid(format!("expected a format, found `{other}`"))),
    };
    let bytes = aside(room, move |room| {
        let folder = temporary(room)?;
        let path = folder.path().join(format!("answers.{ending}"));
        room.export(&format, &path)?;
        std::fs::read(&path).map_err(|error| Failure::unavailable(format!("the file cannot be read: {error}")))
    })
    .await?;
    let kind = if ending == "csv" { "text/csv; charset=utf-8" } else { "application/json" };
    let name = format!("attachment; filename=\"answers.{ending}\"");
    Ok(([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, &name)], bytes).into_response())
}

/// A folder for files on their way, on the disk of the project.
fn temporary(room: &Room) -> Outcome<tempfile::TempDir> {
    tempfile::tempdir_in(&room.place.ledger)
        .map_err(|error| Failure::unavailable(format!("a folder for the file cannot be made: {error}")))
}

#[derive(Deserialize)]
struct Importing {
    format: String,
    #[serde(default)]
    person: Option<String>,
}

async fn import(
    State(room): Shared,
    Extension(caller): Who,
    Query(Importing { format, person }): Query<Importing>,
    request: Request,
) -> Outcome<Response> {
    let folder = temporary(&room)?;
    let path = folder.path().join(if format == "label-studio" { "import.json" } else { "import.jsonl" });
    let failed = |error: std::io::Error| Failure::unavailable(format!("the file cannot be kept: {error}"));
    let mut file = std::fs::File::create(&path).map_err(failed)?;
    let mut stream = request.into_limited_body().into_data_stream();
    let mut first = None;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| {
            Failure::too_large(format!("expected a file of at most {LARGEST_IMPORT} bytes that comes whole: {error}"))
        })?;
        first = first.or_else(|| piece.iter().copied().find(|byte| !byte.is_ascii_whitespace()));
        file.write_all(&piece).map_err(failed)?;
    }
    drop(file);
    // A list is Label Studio's; its reader goes by the name as well.
    let path = if first == Some(b'[') {
        let list = path.with_extension("json");
        std::fs::rename(&path, &list).map_err(failed)?;
        list
    } else {
        path
    };
    reply(room, move |room| {
        let imported = room.import(&caller, &path, &format, person.as_deref());
        drop(folder);
        imported
    })
    .await
}
