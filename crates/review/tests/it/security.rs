//! What must not be possible.

use postil_review::{Role, Serving};
use serde_json::{Value, json};

use crate::client::{Client, uuid};
use crate::support::Project;

const CONTRACT: &str = include_str!("../../openapi.json");

/// Every operation of the contract: method, path, and the roles that may call it.
fn operations() -> Vec<(String, String, Vec<String>)> {
    let contract: Value = serde_json::from_str(CONTRACT).unwrap();
    let mut found = Vec::new();
    for (path, methods) in contract["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let roles = operation["x-roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned());
            found.push((method.to_uppercase(), path.clone(), roles.collect()));
        }
    }
    assert!(found.len() > 17);
    found
}

/// A request that is well-formed as far as the contract says.
fn request(method: &str, path: &str) -> (String, Vec<u8>) {
    let body = match path {
        "/api/lease" => json!({ "queue": "all", "count": 1 }),
        "/api/answer" => json!({ "id": uuid(1), "item": "t0", "queue": "all", "status": "skipped" }),
        "/api/undo" => json!({ "id": uuid(2) }),
        "/api/examples" => json!({ "item": "t0", "label": "bug" }),
        "/api/draw" => json!({ "count": 1 }),
        "/api/same" => json!({}),
        "/api/same/occurrences" => json!({ "words": "x" }),
        "/api/same/change" => json!({ "id": uuid(3), "words": "x" }),
        "/api/same/undo" => json!({ "id": uuid(4), "change": uuid(3) }),
        "/api/people" if method == "POST" => json!({ "name": "new", "role": "annotate" }),
        _ => Value::Null,
    };
    let path = path.replace("{name}", "nobody");
    let query = match path.as_str() {
        "/api/export" | "/api/import" => "?format=jsonl",
        "/join" => "?token=0",
        _ => "",
    };
    (format!("{path}{query}"), if body.is_null() { Vec::new() } else { body.to_string().into_bytes() })
}

#[test]
fn every_route_asks_every_role() {
    let project = Project::tickets(5);
    let served = Serving { address: "0.0.0.0".parse().unwrap(), ..Serving::default() };
    let (server, link) = project.serve_and_invite(served, Some(("boss", Role::Own)));
    let address = std::net::SocketAddr::new("127.0.0.1".parse().unwrap(), server.address.port());
    let token = link.split_once('=').unwrap().1;
    let mut boss = Client::with_token(address, token);
    let mut invite = |name: &str| {
        let invited = boss.post("/api/people", &json!({ "name": name, "role": name }));
        Client::with_token(address, invited["token"].as_str().unwrap())
    };
    let mut callers = vec![
        (None, Client::new(address)),
        (None, Client::with_token(address, "0123")),
        (Some("annotate"), invite("annotate")),
        (Some("review"), invite("review")),
        (Some("own"), invite("own")),
    ];
    for (method, path, roles) in operations() {
        let (target, body) = request(&method, &path);
        for (role, client) in &mut callers {
            let status = client.ask(&method, &target, &body).unwrap().status;
            let open = roles == ["anyone"];
            let admitted = open || role.is_some_and(|role| roles.iter().any(|one| one == role));
            match (admitted, *role) {
                (true, _) if path == "/join" => assert_eq!(status, 401, "a token that is none"),
                (true, _) => assert!(!matches!(status, 401 | 403 | 405), "{method} {path} {role:?}: {status}"),
                (false, None) => assert_eq!(status, 401, "{method} {path} without a person"),
                (false, Some(_)) => assert_eq!(status, 403, "{method} {path} {role:?}"),
            }
        }
    }
    assert_eq!(callers[4].1.ask("GET", "/api/nowhere", b"").unwrap().status, 404);
}

/// A method, headers, and the status that comes back.
type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], u16);

#[test]
fn foreign_pages_and_names_get_nothing() {
    let project = Project::tickets(2);
    let server = project.serve();
    let mut client = server.owner();
    let host = server.address.to_string();
    let own = format!("http://{host}");
    let body = json!({ "queue": "all" }).to_string();
    let cases: [Case<'_>; 10] = [
        ("GET", &[("Host", &host)], 200),
        ("GET", &[("Host", "localhost")], 200),
        ("GET", &[("Host", "evil.example")], 403),
        ("GET", &[("Host", "127.0.0.1.evil.example:80")], 403),
        ("POST", &[("Host", &host), ("X-Postil", "1")], 200),
        ("POST", &[("Host", &host), ("X-Postil", "1"), ("Origin", &own)], 200),
        ("POST", &[("Host", &host)], 403),
        ("POST", &[("Host", &host), ("X-Postil", "1"), ("Origin", "http://evil.example")], 403),
        ("POST", &[("Host", &host), ("X-Postil", "1"), ("Origin", "null")], 403),
        ("POST", &[("Host", &host), ("X-Postil", "1"), ("Sec-Fetch-Site", "cross-site")], 403),
    ];
    for (method, headers, expected) in cases {
        let (path, body) =
            if method == "GET" { ("/api/session", b"".as_slice()) } else { ("/api/lease", body.as_bytes()) };
        let reply = client.send(method, path, headers, body).unwrap();
        assert_eq!(reply.status, expected, "{method} {headers:?}");
        let policy = reply.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    }
}

#[test]
fn links_become_cookies_and_tokens_are_kept_nowhere() {
    let project = Project::tickets(2);
    let (server, link) = project.serve_and_invite(Serving::default(), Some(("ann", Role::Annotate)));
    let mut client = server.owner();
    let host = server.address.to_string();
    let joined = client.send("GET", &link, &[("Host", &host)], b"").unwrap();
    assert_eq!((joined.status, joined.header("location")), (303, Some("/")));
    let cookie = joined.header("set-cookie").unwrap().to_owned();
    assert!(cookie.contains("HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let pair = cookie.split(';').next().unwrap();
    let session = client.send("GET", "/api/session", &[("Host", &host), ("Cookie", pair)], b"").unwrap().json();
    assert_eq!(
        (&session["person"], &session["role"], &session["local"]),
        (&json!("ann"), &json!("annotate"), &json!(false))
    );
    let false_token =
        client.send("GET", "/api/session", &[("Host", &host), ("Authorization", "Bearer x")], b"").unwrap();
    assert_eq!(false_token.status, 401, "a wrong token is not taken for the local owner");
    assert_eq!(client.ask("DELETE", "/api/people/ann", b"").unwrap().status, 204);
    let gone = client.send("GET", "/api/session", &[("Host", &host), ("Cookie", pair)], b"").unwrap();
    assert_eq!(gone.status, 401);
    drop(server);
    let token = pair.split_once('=').unwrap().1;
    let mut files = vec![project.folder().to_path_buf()];
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(token.len()).any(|window| window == token.as_bytes());
            assert!(!found, "the token stands in {}", path.display());
        }
    }
}

#[test]
fn hostile_names_texts_and_sizes_are_only_ever_data() {
    let hostile = "<script>alert('x')</script>";
    let items = [json!({ "id": hostile, "text": hostile, "channel": hostile })];
    let project = Project::new(postil_core::TaskKind::Classify, &[hostile, "b"], &items);
    let server = project.serve();
    let mut owner = server.owner();
    let mut person = server.person(hostile, "annotate");
    let leased = person.post("/api/lease", &json!({ "queue": "all" }));
    assert_eq!(leased["work"][0]["content"]["text"], json!(hostile));
    let body = json!({ "id": uuid(1), "item": hostile, "queue": "all", "status": "flagged", "note": hostile,
        "answer": { "kind": "class", "label": hostile } });
    person.post("/api/answer", &body);
    // What a browser could take for a page is JSON by its type, and the page has no place for scripts.
    let history = person.ask("GET", "/api/history", b"").unwrap();
    assert_eq!(history.header("content-type"), Some("application/json"));
    let shown = owner.post("/api/examples", &json!({ "item": hostile, "label": hostile, "note": hostile }));
    assert!(!shown["html"].as_str().unwrap().contains("<script"), "{shown}");
    for path in ["/assets/../Cargo.toml", "/assets/..%2f..%2fCargo.toml", "/assets//etc/passwd", "/assets/%00"] {
        assert_eq!(owner.ask("GET", path, b"").unwrap().status, 404, "{path}");
    }
    let large = vec![b' '; 5 << 20];
    let refused = owner.ask("POST", "/api/answer", &large);
    assert!(refused.is_err() || refused.is_ok_and(|reply| reply.status == 413));
    // The server does not read what it refuses, so this connection is of no more use.
    let mut owner = server.owner();
    assert_eq!(owner.get("/api/session")["project"], json!("test"));
    for name in ["", "a\u{7}b", &"x".repeat(100)] {
        assert_eq!(owner.try_post("/api/people", &json!({ "name": name, "role": "own" })).0, 422);
    }
}
