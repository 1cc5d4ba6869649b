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
    scope: &'static str,
}

const LIST: &[&str] = &["q", "class", "state", "after", "limit"];
const PART: &[&str] = &["q", "state", "after", "limit"];

const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/api/v1/held",
        summary: "Held messages, the latest first; q is a part of an address or subject",
        query: LIST,
        body: &[],
        scope: "read",
    },
    Operation {
        method: "get",
        path: "/api/v1/held/{id}",
        summary: "One held message, without its body",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/held/{id}/release",
        summary: "Release the copies that still wait",
        query: &[],
        body: &["why"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/held/{id}/delete",
        summary: "Withdraw the copies that still wait",
        query: &[],
        body: &["why"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/senders",
        summary: "Senders with a standing, the latest seen first",
        query: PART,
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/senders/{id}/decide",
        summary: "Give a sender the state trusted, revoked or barred",
        query: &[],
        body: &["state", "why"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/appeals",
        summary: "Appeals, the most urgent first; state is received, question or closed",
        query: &["state", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "get",
        path: "/api/v1/appeals/{id}",
        summary: "One appeal: what its sender says, what is known of him, the conversation",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/appeals/{id}/ask",
        summary: "Ask the sender something",
        query: &[],
        body: &["text"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/appeals/{id}/grant",
        summary: "Let the campaign or all mail of the identity (scope) through, for so many days \
                  and messages, and deliver what is held",
        query: &[],
        body: &["scope", "days", "volume", "reason"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/appeals/{id}/deny",
        summary: "Deny it, with a reason that the sender reads",
        query: &[],
        body: &["reason"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/queue",
        summary: "Items of the queue, the oldest first; state=failed: what failed",
        query: &["state", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/queue/{id}/retry",
        summary: "Attempt an item's delivery now",
        query: &[],
        body: &["why"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/queue/{id}/give-up",
        summary: "Attempt an item's delivery no more",
        query: &[],
        body: &["why"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/organisations",
        summary: "Organisations with their settings, where each comes from and what the file says",
        query: &["after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "get",
        path: "/api/v1/organisations/{id}",
        summary: "One organisation",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/organisations/{id}",
        summary: "Change settings: values by name, back (names that follow the file again), logo (base64)",
        query: &[],
        body: &["values", "back", "logo", "why"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/recipients",
        summary: "Recipients, the latest known first; q is a part of an address or alias",
        query: &["q", "organisation", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/recipients",
        summary: "Make a recipient known before mail comes for him",
        query: &[],
        body: &["address"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/recipients/{id}",
        summary: "One recipient",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/recipients/{id}",
        summary: "Change aliases, members of a shared mailbox, digest and language",
        query: &[],
        body: &[
            "add_alias",
            "remove_alias",
            "add_member",
            "remove_member",
            "digest",
            "hour",
            "weekday",
            "language",
        ],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/recipients/{id}/digest",
        summary: "Send the digest now",
        query: &[],
        body: &[],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/recipients/{id}/end-sessions",
        summary: "End every session on the recipient's own page",
        query: &[],
        body: &[],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/rules",
        summary: "Blocks and allowances, the latest first; q is a part of sender, recipient or reason",
        query: &["q", "organisation", "action", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/rules",
        summary: "Block or allow an address or domain; without recipient for the whole organisation",
        query: &[],
        body: &["sender", "proved", "action", "recipient", "organisation", "why", "until"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/rules/{id}/end",
        summary: "End a rule",
        query: &[],
        body: &[],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/audit",
        summary: "Decisions, the latest first; q is a part of any of their texts",
        query: &["q", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers",
        summary: "Mail servers that the delivery blocking is kept for; 0 is our own courier",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers",
        summary: "Make a server; way is socketmap, download or a path; a download's token is answered once",
        query: &[],
        body: &["name", "way", "organisation"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/settings",
        summary: "Change run settings; reasons are like unknown_user=2 or rejecting=off",
        query: &[],
        body: &[
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
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/blocked",
        summary: "Addresses that are not written to; q is a part of one",
        query: &["q", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/block",
        summary: "Block an address by hand",
        query: &[],
        body: &["address"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/release",
        summary: "Release an address at once; it becomes exempt",
        query: &[],
        body: &["address"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/exemptions",
        summary: "Addresses that may not be blocked, the latest first; q is a part of one",
        query: &["q", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/unexempt",
        summary: "Delete an exemption: the address is subject to blocking again",
        query: &[],
        body: &["address"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/events",
        summary: "The delivery log, the latest first; reason is a class or an outcome",
        query: &["q", "reason", "after", "limit"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/events",
        summary: "Tell up to 1000 outcomes: id, at, address, outcome, response; each counts once",
        query: &[],
        body: &["events"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/run",
        summary: "Do the daily run now",
        query: &[],
        body: &[],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/distributions",
        summary: "Versions of the list, the latest first",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/distribute",
        summary: "Give the server its list, say what would change (dry), or put a version back (roll_back)",
        query: &[],
        body: &["dry", "roll_back"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/uploads",
        summary: "Uploads since the service began, the latest first",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/uploads",
        summary: "Upload a list: the body is the CSV file; it waits to be registered",
        query: &["column", "file"],
        body: &[],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/uploads/{upload}",
        summary: "How far an upload is: records, duplicates, invalid rows with their lines",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/uploads/{upload}/register",
        summary: "Register an upload: all of it or nothing",
        query: &[],
        body: &["at_once"],
        scope: "decide",
    },
    Operation {
        method: "post",
        path: "/api/v1/servers/{id}/uploads/{upload}/drop",
        summary: "Drop an upload that waits",
        query: &[],
        body: &[],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/downloads/{file}",
        summary: "blocked.csv, exemptions.csv, errors.csv or deliveries.csv, where downloads are granted",
        query: &["q", "reason"],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "get",
        path: "/api/v1/inquiries",
        summary: "Who has asked to download lists and logs",
        query: &[],
        body: &[],
        scope: "read",
    },
    Operation {
        method: "post",
        path: "/api/v1/inquiries",
        summary: "Ask for the right to download; with grant, decide about it",
        query: &[],
        body: &["organisation", "why", "grant"],
        scope: "decide",
    },
    Operation {
        method: "get",
        path: "/api/v1/servers/{id}/list",
        summary: "The list for a server of way download, by its own token; If-None-Match acknowledges",
        query: &[],
        body: &[],
        scope: "read",
    },
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
            "description": "Held messages, senders, appeals, queue, organisations, recipients, rules and audit. Lists answer {items, next}; \
                next is the cursor for after. Errors are application/problem+json (RFC 9457).",
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
    let mut parameters: Vec<Value> = one
        .query
        .iter()
        .map(|name| {
            let kind = if *name == "limit" {
                json!({ "type": "integer", "minimum": 1, "maximum": 100 })
            } else {
                text.clone()
            };
            json!({ "name": name, "in": "query", "schema": kind })
        })
        .collect();
    for name in ["id", "upload", "file"]
        .into_iter()
        .filter(|name| one.path.contains(&format!("{{{name}}}")))
    {
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": text }));
    }
    let mut described = json!({
        "summary": one.summary,
        "description": format!("Needs a token of scope {}.", one.scope),
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
        "values" => json!({ "type": "object", "additionalProperties": text }),
        "back" => json!({ "type": "array", "items": text }),
        "until" => json!({ "type": "string", "format": "date" }),
        "days" | "volume" => json!({ "type": "integer", "minimum": 1 }),
        _ => text,
    }
}
