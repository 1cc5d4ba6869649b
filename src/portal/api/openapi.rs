//! The OpenAPI document (3.1) of `/api/v1`, made of one table of operations,
//! so that it says what the router serves; a test holds both together.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::problem::json_text;

/// One operation: method, path, what it does, its query, its body's fields.
struct Operation {
    method: &'static str,
    path: &'static str,
    summary: &'static str,
    query: &'static [&'static str],
    body: &'static [&'static str],
}

const LIST: &[&str] = &["q", "class", "state", "since", "until", "sort", "after", "limit"];

/// What reads: its path, its query, what it answers.
const fn get(
    path: &'static str,
    query: &'static [&'static str],
    summary: &'static str,
) -> Operation {
    Operation { method: "get", path, summary, query, body: &[] }
}

/// What decides: its path, its body's fields, what it does.
const fn post(
    path: &'static str,
    body: &'static [&'static str],
    summary: &'static str,
) -> Operation {
    Operation { method: "post", path, summary, query: &[], body }
}

const OPERATIONS: &[Operation] = &[
    get(
        "/api/v1/held",
        LIST,
        "Held messages, the latest first or by sort (oldest, name, name-backwards); q is a part of \
         an address or subject; since and until are times",
    ),
    get("/api/v1/held/{id}", &[], "One held message, without its body"),
    post(
        "/api/v1/held/{id}/read",
        &["why"],
        "What it says: text, header fields, attachments by name; for a reason, which is recorded",
    ),
    post("/api/v1/held/{id}/release", &["why"], "Release the copies that still wait"),
    post("/api/v1/held/{id}/delete", &["why"], "Withdraw the copies that still wait"),
    post(
        "/api/v1/held/{id}/train",
        &["as", "why"],
        "Say what the message is, spam or wanted, for the content model",
    ),
    post(
        "/api/v1/held/{id}/flag",
        &["recipient", "by", "why"],
        "Pass on a recipient's \"spam\": his sender is blocked for him; by is person, which counts \
         for his organisation, or machine",
    ),
    post(
        "/api/v1/held/{id}/unflag",
        &["recipient", "why"],
        "Undo a recipient's flag, within 30 days",
    ),
    get("/api/v1/jobs", &[], "Decisions about many messages, the latest first"),
    post(
        "/api/v1/jobs",
        &["act", "why", "ids", "search", "dry"],
        "Release or delete (act) many messages: ids, or all that wait and that search (q, class, \
         since, until) finds, at most 10000; with dry only say how many",
    ),
    get("/api/v1/jobs/{id}", &[], "How far a job is"),
    post("/api/v1/jobs/{id}/stop", &[], "Stop a job; what it has decided stays decided"),
    get(
        "/api/v1/senders",
        &["q", "state", "sort", "after", "limit"],
        "Senders with a standing, the latest seen first, or by sort",
    ),
    post(
        "/api/v1/senders/{id}/decide",
        &["state", "why"],
        "Give a sender the state trusted, revoked or barred",
    ),
    get(
        "/api/v1/appeals",
        &["q", "state", "sort", "after", "limit"],
        "Appeals, the most urgent first or by sort (due-last, name, name-backwards); q is a part \
         of sender, subject or what was said; state is received, question or closed",
    ),
    get(
        "/api/v1/appeals/{id}",
        &[],
        "One appeal: what its sender says, what is known of him, the conversation",
    ),
    post("/api/v1/appeals/{id}/ask", &["text"], "Ask the sender something"),
    post(
        "/api/v1/appeals/{id}/grant",
        &["scope", "days", "volume", "reason"],
        "Let the campaign or all mail of the identity (scope) through, for so many days \
                  and messages, and deliver what is held",
    ),
    post("/api/v1/appeals/{id}/deny", &["reason"], "Deny it, with a reason that the sender reads"),
    get(
        "/api/v1/queue",
        &["state", "sort", "after", "limit"],
        "Items of the queue, the oldest first or by sort (latest); state=waiting: by the next \
         attempt, state=failed: by when they are forgotten, or by sort (due-last)",
    ),
    post("/api/v1/queue/{id}/retry", &["why"], "Attempt an item's delivery now"),
    post("/api/v1/queue/{id}/give-up", &["why"], "Attempt an item's delivery no more"),
    get(
        "/api/v1/organisations",
        &["after", "limit"],
        "Organisations with their settings, where each comes from and what the file says",
    ),
    get("/api/v1/organisations/{id}", &[], "One organisation"),
    post(
        "/api/v1/organisations/{id}",
        &["values", "back", "logo", "why"],
        "Change settings: values by name, back (names that follow the file again), logo (base64)",
    ),
    get(
        "/api/v1/recipients",
        &["q", "organisation", "sort", "after", "limit"],
        "Recipients, the latest known first; q is a part of an address or alias",
    ),
    post("/api/v1/recipients", &["address"], "Make a recipient known before mail comes for him"),
    get("/api/v1/recipients/{id}", &[], "One recipient"),
    post(
        "/api/v1/recipients/{id}",
        &[
            "add_alias",
            "remove_alias",
            "add_member",
            "remove_member",
            "digest",
            "hour",
            "weekday",
            "language",
        ],
        "Change aliases, members of a shared mailbox, digest and language",
    ),
    post("/api/v1/recipients/{id}/digest", &[], "Send the digest now"),
    post(
        "/api/v1/recipients/{id}/end-sessions",
        &[],
        "End every session on the recipient's own page",
    ),
    get(
        "/api/v1/rules",
        &["q", "organisation", "action", "sort", "after", "limit"],
        "Blocks and allowances, the latest first; q is a part of sender, recipient or reason",
    ),
    post(
        "/api/v1/rules",
        &["sender", "proved", "action", "recipient", "organisation", "why", "until"],
        "Block or allow an address or domain; without recipient for the whole organisation",
    ),
    post("/api/v1/rules/{id}/end", &[], "End a rule"),
    get(
        "/api/v1/statistics",
        &["hours"],
        "The counts of the last hours, the present one last: 24, or as many as hours says",
    ),
    get(
        "/api/v1/findings",
        &[],
        "How often each finding was overruled, what it weighs and how much of that is left",
    ),
    post(
        "/api/v1/findings/{id}/demote",
        &["left"],
        "Leave 100, 50 or 0 per cent of a finding's weight",
    ),
    get(
        "/api/v1/accounts",
        &["sort", "after", "limit"],
        "Administrators, by login or by sort (name-backwards)",
    ),
    post(
        "/api/v1/accounts",
        &["login", "role", "organisations"],
        "Add an administrator: operator, organisation-admin of organisations, or auditor; answers \
         the link that sets the account up",
    ),
    post("/api/v1/accounts/{id}/disable", &[], "Let nobody in by this login, and end its sessions"),
    post("/api/v1/accounts/{id}/enable", &[], "Let him in again"),
    post(
        "/api/v1/accounts/{id}/reset",
        &[],
        "Forget password, codes and sessions; answers the link that sets the account up anew",
    ),
    get(
        "/api/v1/audit",
        &["q", "sort", "after", "limit"],
        "Decisions, the latest first or by sort (oldest); q is a part of any of their texts",
    ),
    get(
        "/api/v1/servers",
        &[],
        "Mail servers that the delivery blocking is kept for; 0 is our own courier",
    ),
    post(
        "/api/v1/servers",
        &["name", "way", "organisation"],
        "Make a server; way is socketmap, download, or a map file: texthash:, cdb: or lmdb: and \
         a path; a download's token is answered once",
    ),
    post(
        "/api/v1/servers/{id}/settings",
        &[
            "name",
            "way",
            "organisation",
            "daily_at",
            "zone",
            "immediate",
            "watch_days",
            "reasons",
            "cancel",
            "strike_hours",
            "releases_per_day",
            "never",
            "fixed",
        ],
        "Change a server and its run settings; reasons are like unknown_user=2 or rejecting=off",
    ),
    get(
        "/api/v1/servers/{id}/blocked",
        &["q", "sort", "after", "limit"],
        "Addresses that are not written to; q is a part of one; sort is name or name-backwards",
    ),
    post("/api/v1/servers/{id}/block", &["address"], "Block an address by hand"),
    post(
        "/api/v1/servers/{id}/release",
        &["address"],
        "Release an address at once; it becomes exempt",
    ),
    get(
        "/api/v1/servers/{id}/exemptions",
        &["q", "sort", "after", "limit"],
        "Addresses that may not be blocked; q is a part of one; sort is latest, oldest, name or \
         name-backwards",
    ),
    post(
        "/api/v1/servers/{id}/unexempt",
        &["address"],
        "Delete an exemption: the address is subject to blocking again",
    ),
    get(
        "/api/v1/servers/{id}/events",
        &["q", "reason", "from", "to", "errors", "exact", "sort", "after", "limit"],
        "The delivery log; reason is a class or an outcome; errors=true: the error log; \
         exact=true: q is the whole address; sort is latest, oldest, name or name-backwards",
    ),
    post(
        "/api/v1/servers/{id}/events",
        &["events"],
        "Tell up to 1000 outcomes: id, at, address, outcome, response; each counts once",
    ),
    post("/api/v1/servers/{id}/run", &[], "Do the daily run now"),
    get("/api/v1/servers/{id}/distributions", &[], "Versions of the list, the latest first"),
    get(
        "/api/v1/servers/{id}/distributions/{version}",
        &[],
        "The addresses that a version has added and removed, the first thousand of each, while \
         it is kept",
    ),
    post(
        "/api/v1/servers/{id}/distribute",
        &["dry", "roll_back"],
        "Give the server its list, say what would change (dry), or put a version back (roll_back)",
    ),
    get(
        "/api/v1/servers/{id}/breakers",
        &[],
        "Providers in trouble, from which nothing is learnt at present",
    ),
    post(
        "/api/v1/servers/{id}/close-breaker",
        &["domain", "undo"],
        "Learn from a provider again; with undo, release what its outage has blocked",
    ),
    get(
        "/api/v1/servers/{id}/uploads",
        &[],
        "Uploads that were not registered when the service began, and all since; the latest first",
    ),
    Operation {
        query: &["column", "file"],
        ..post(
            "/api/v1/servers/{id}/uploads",
            &[],
            "Upload a list: the body is the CSV file; it waits to be registered",
        )
    },
    get(
        "/api/v1/servers/{id}/uploads/{upload}",
        &[],
        "How far an upload is: records, duplicates, invalid rows with their lines",
    ),
    post(
        "/api/v1/servers/{id}/uploads/{upload}/register",
        &["at_once"],
        "Register an upload: all of it or nothing",
    ),
    post("/api/v1/servers/{id}/uploads/{upload}/drop", &[], "Drop an upload that waits"),
    get(
        "/api/v1/servers/{id}/downloads/{file}",
        &["q", "reason"],
        "blocked.csv, exemptions.csv, errors.csv or deliveries.csv, where downloads are granted",
    ),
    get("/api/v1/inquiries", &[], "Who has asked to download lists and logs"),
    post(
        "/api/v1/inquiries",
        &["organisation", "why", "grant"],
        "Ask for the right to download; with grant, decide about it",
    ),
    get(
        "/api/v1/servers/{id}/list",
        &[],
        "The list for a server of way download, by its own token; If-None-Match acknowledges",
    ),
];

pub async fn document() -> Response {
    json_text(200, whole().to_string())
}

fn whole() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for one in OPERATIONS {
        let at = paths.entry(one.path).or_insert_with(|| json!({}));
        at[one.method] = operation(one);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Reprieve",
            "version": "1",
            "description": "Held messages, jobs, senders, appeals, queue, organisations, recipients, rules, \
                accounts, delivery blocking, statistics and audit. Lists answer {items, next}; \
                next is the cursor for after. Records that cannot be read stand in unreadable by \
                table and key; `reprieve store verify` says what is wrong with them. Errors are application/problem+json (RFC 9457).",
        },
        "security": [{ "bearer": [] }],
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": {
                "Problem": {
                    "type": "object",
                    "required": ["type", "title", "status"],
                    "properties": {
                        "type": { "type": "string" },
                        "title": { "type": "string" },
                        "status": { "type": "integer" },
                        "detail": { "type": "string" },
                    },
                },
            },
        },
        "paths": paths,
    })
}

fn operation(one: &Operation) -> Value {
    let text = json!({ "type": "string" });
    let scope = match one.method {
        "get" => "read",
        _ if one.path.starts_with("/api/v1/accounts") => "appoint",
        _ => "decide",
    };
    let mut parameters: Vec<Value> = one
        .query
        .iter()
        .map(|name| {
            let kind = match *name {
                "hours" => json!({ "type": "integer", "minimum": 1 }),
                "limit" => json!({ "type": "integer", "minimum": 1, "maximum": 100 }),
                "errors" | "exact" => json!({ "type": "boolean" }),
                _ => text.clone(),
            };
            json!({ "name": name, "in": "query", "schema": kind })
        })
        .collect();
    let named = one.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in named {
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": text }));
    }
    let mut described = json!({
        "summary": one.summary,
        "description": format!("Needs a token of scope {scope}."),
        "responses": {
            "200": { "description": "Done", "content": { "application/json": {} } },
            "default": {
                "description": "A problem",
                "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                } },
            },
        },
    });
    if one.method == "post" {
        let key = json!({ "name": "Idempotency-Key", "in": "header", "schema": text });
        parameters.push(key);
        let fields: Map<String, Value> =
            one.body.iter().map(|name| ((*name).to_owned(), field(name))).collect();
        described["requestBody"] = json!({
            "content": { "application/json": {
                "schema": { "type": "object", "properties": fields },
            } },
        });
    }
    described["parameters"] = Value::Array(parameters);
    described
}

/// The kind of a body's field: text, unless it is named here.
fn field(name: &str) -> Value {
    let text = json!({ "type": "string" });
    match name {
        "values" | "search" => json!({ "type": "object", "additionalProperties": text }),
        "back" | "ids" | "organisations" | "reasons" | "never" => {
            json!({ "type": "array", "items": text })
        }
        "events" => json!({ "type": "array", "items": { "type": "object" } }),
        "dry" | "undo" | "at_once" | "grant" | "immediate" | "cancel" | "fixed" => {
            json!({ "type": "boolean" })
        }
        "roll_back" | "watch_days" | "strike_hours" | "releases_per_day" => {
            json!({ "type": "integer", "minimum": 0 })
        }
        "until" => json!({ "type": "string", "format": "date" }),
        "left" => json!({ "type": "integer", "enum": [100, 50, 0] }),
        "days" | "volume" => json!({ "type": "integer", "minimum": 1 }),
        _ => text,
    }
}
