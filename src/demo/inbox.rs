//! The inbox: a page that plays the outside world for a newcomer.
//!
//! It shows what senders and recipients receive, opens each message as text
//! with its links, and lets anybody write a mail into the gateway. Programs
//! read `messages.json` and `messages/<id>.eml` (the exact bytes). Loopback
//! only; mail text is shown as text.

use std::sync::Arc;

use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Deserialize;
use tokio::net::TcpListener;

use super::outside::{Arrived, Outside};
use super::post::Post;

const STYLE: &str = include_str!("inbox.css");

/// What the pages show.
pub struct Inbox {
    pub outside: Outside,
    pub post: Post,
    /// Where the sender's pages are.
    pub portal: String,
}

type Shared = Arc<Inbox>;

impl Inbox {
    /// Serves the pages until the program ends.
    pub async fn serve(self, listener: TcpListener) {
        let router = Router::new()
            .route("/", get(list))
            .route("/messages/{name}", get(message))
            .route("/messages.json", get(json))
            .route("/write", get(write))
            .route("/send", post(send))
            .with_state(Arc::new(self));
        // It ends with the program; an error of one connection is not ours.
        let _ = axum::serve(listener, router).await;
    }
}

async fn list(State(inbox): State<Shared>) -> Response {
    let mut arrived = inbox.outside.all();
    arrived.reverse();
    page(
        &inbox,
        "Inbox",
        &html! {
            @if arrived.is_empty() {
                p.empty { "Nothing has arrived yet. " a href="/write" { "Write a mail." } }
            }
            ul.list {
                @for one in &arrived {
                    li { a href={ "/messages/" (one.id) } {
                        span.kind { (kind(one)) }
                        span.to { bdi { (one.rcpt_to.join(", ")) } }
                        span.subject { bdi { (subject(one)) } }
                        time { (clock(one)) }
                    } }
                }
            }
        },
    )
}

async fn message(State(inbox): State<Shared>, Path(name): Path<String>) -> Response {
    let exact = name.strip_suffix(".eml");
    let id = exact.unwrap_or(&name).parse().unwrap_or(0);
    let Some(one) = inbox.outside.one(id) else {
        return (StatusCode::NOT_FOUND, "no such message\n").into_response();
    };
    if exact.is_some() {
        let kind = [(header::CONTENT_TYPE, "message/rfc822")];
        return (kind, one.message.bytes().clone()).into_response();
    }
    page(
        &inbox,
        &subject(&one),
        &html! {
            article {
                h2 { bdi { (subject(&one)) } }
                dl {
                    dt { "To" } dd { bdi { (one.rcpt_to.join(", ")) } }
                    dt { "From" } dd { bdi { (one.message.text("From").unwrap_or_default()) } }
                    dt { "Return path" } dd { "<" bdi { (one.mail_from) } ">" }
                    dt { "Arrived" } dd { (clock(&one)) " UTC · " a href={ "/messages/" (id) ".eml" } { "exact bytes" } }
                }
                pre { (linked(&readable(&one))) }
            }
        },
    )
}

async fn json(State(inbox): State<Shared>) -> Json<Vec<serde_json::Value>> {
    let line = |one: Arrived| {
        serde_json::json!({
            "id": one.id,
            "mail_from": one.mail_from,
            "rcpt_to": one.rcpt_to,
            "subject": subject(&one),
            "received": one.received.to_string(),
        })
    };
    Json(inbox.outside.all().into_iter().map(line).collect())
}

async fn write(State(inbox): State<Shared>) -> Response {
    page(
        &inbox,
        "Write a mail",
        &html! {
            h2 { "Write a mail into the gateway" }
            p { "You are a sender's mail server. What the gateway refuses comes back to this inbox as your server's bounce." }
            form method="post" action="/send" {
                label { "From" input name="from" type="text" value="eva@stranger.example" required; }
                label { "To" input name="to" type="text" value="anna@demo.example" required; }
                label { "Subject" input name="subject" type="text" value="Offer for the roof repair" required; }
                label { "Text" textarea name="text" rows="6" { "Dear Anna,\n\nas promised on the telephone." } }
                button { "Send" }
            }
            p.small { code { "friend.example" } " has an SPF record that lists this machine; " code { "stranger.example" } " has one that does not." }
        },
    )
}

#[derive(Deserialize)]
struct Written {
    from: String,
    to: String,
    subject: String,
    text: String,
}

async fn send(State(inbox): State<Shared>, Form(written): Form<Written>) -> Response {
    let Written { from, to, subject, text } = written;
    let line = |text: &str| text.replace(['\r', '\n'], " ");
    let message = format!(
        "From: {}\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{}@{}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{}\r\n",
        line(&from),
        line(&to),
        line(&subject),
        jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S +0000"),
        uuid::Uuid::now_v7(),
        from.rsplit_once('@').map_or("nowhere.example", |(_, domain)| domain).trim(),
        text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n"),
    );
    match inbox.post.send(&line(&from), &[&line(&to)], message.as_bytes()).await {
        Ok(answer) if answer.code < 300 => Redirect::to("/").into_response(),
        Ok(answer) => page(
            &inbox,
            "Answer",
            &html! {
                h2 { "The gateway answered" }
                pre { (answer.code) " " (linked(&answer.text)) }
                p { a href="/" { "Back to the inbox" } }
            },
        ),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("no answer: {error}\n")).into_response(),
    }
}

fn page(inbox: &Inbox, title: &str, main: &Markup) -> Response {
    let markup = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · the outside world" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { a href="/" { "The outside world" } }
                    p { "What senders and recipients receive in this demo." }
                    nav {
                        a href="/" { "Inbox" } a href="/write" { "Write a mail" }
                        a href={ (inbox.portal) "/help" } { "For blocked senders" }
                    }
                }
                main { (main) }
            }
        }
    };
    let head = [
        (header::CACHE_CONTROL, "no-store"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'",
        ),
    ];
    (head, markup).into_response()
}

/// What a newcomer should make of it.
fn kind(one: &Arrived) -> &'static str {
    if one.message.all("X-Demo-Bounce").next().is_some() {
        "Bounce from the sender's own server"
    } else if one.message.all("Auto-Submitted").next().is_some() {
        "Letter to a sender"
    } else {
        "Delivered"
    }
}

fn subject(one: &Arrived) -> String {
    one.message.text("Subject").unwrap_or_else(|| "(no subject)".to_owned())
}

fn clock(one: &Arrived) -> String {
    one.received.strftime("%H:%M:%S").to_string()
}

/// The text of the message: of a multipart the text/plain part, decoded.
fn readable(one: &Arrived) -> String {
    let parsed = mail_parser::MessageParser::default().parse(one.message.bytes().as_ref());
    let text = parsed.and_then(|message| message.body_text(0).map(std::borrow::Cow::into_owned));
    text.unwrap_or_else(|| String::from_utf8_lossy(one.message.body()).into_owned())
}

/// Text with its http links made links.
fn linked(text: &str) -> Markup {
    html! {
        @for (at, word) in text.split_inclusive(char::is_whitespace).enumerate() {
            @let bare = word.trim_end();
            @if bare.starts_with("http://") || bare.starts_with("https://") {
                a href=(bare) data-at=(at) { (bare) } (word[bare.len()..])
            } @else { (word) }
        }
    }
}
