//! Which servers there are: a new one, whose it is, how it is given its list,
//! and whether its plan has blocking always on. The operator's.

use axum::extract::Path as Captured;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use maud::{Markup, html};

use super::{Acted, Admin, Place, Route, Trouble, refusal, server, tab, told};
use crate::account::Power;
use crate::suppression::change::{Change, Changed};
use crate::suppression::{OWN, Server, Way};

pub(super) fn routes() -> Vec<Route> {
    let id = Place::ID;
    vec![
        Route::act(&Place::Blocking(id, "new-server"), Power::Operate, post(make)),
        Route::act(&Place::Blocking(id, "server"), Power::Operate, post(change)),
        Route::act(&Place::Blocking(id, "token"), Power::Operate, post(renew)),
    ]
}

/// The forms below a server's distributions.
pub(super) fn forms(admin: &Admin, server: &Server) -> Markup {
    let words = admin.words();
    let id = server.id.to_string();
    html! {
        @if admin.may(Power::Operate) {
            h2 { (words.say("server-this")) }
            form.narrow method="post" action=(Place::Blocking(&id, "server")) {
                (admin.token_field())
                @if server.id != OWN {
                    label for="name" { (words.say("server-name")) }
                    input #name type="text" name="name" value=(server.name) required maxlength="60";
                    (organisations(admin, "organisation", server.organisation.as_ref().map(crate::directory::OrganisationId::as_str)))
                    (ways(admin, "", &server.way))
                }
                label for="never" { (words.say("server-never")) }
                textarea #never name="never" rows="3" maxlength="4000" aria-describedby="never-help" { (server.never.join("\n")) }
                p.help #never-help { (words.say("server-never-help")) }
                p { label.inline { input type="checkbox" name="fixed" value="yes" checked[server.settings.fixed]; " " (words.say("server-fixed")) } }
                button type="submit" { (words.say("blocking-save")) }
            }
            @if matches!(server.way, Way::Download(_)) {
                form.actions method="post" action=(Place::Blocking(&id, "token")) {
                    (admin.token_field())
                    button.quiet type="submit" { (words.say("server-new-token")) }
                    span.soft { (words.say("server-new-token-help")) }
                }
            }
            h2 { (words.say("server-new")) }
            form.narrow method="post" action=(Place::Blocking(&id, "new-server")) {
                (admin.token_field())
                label for="new-name" { (words.say("server-name")) }
                input #new-name type="text" name="name" required maxlength="60" placeholder="mx1";
                (organisations(admin, "new-organisation", None))
                (ways(admin, "new-", &Way::Socketmap))
                button type="submit" { (words.say("server-make")) }
            }
        }
    }
}

/// How a server is given its list: the way, and for a map file its path.
fn ways(admin: &Admin, prefix: &str, now: &Way) -> Markup {
    const WAYS: [(&str, &str); 5] = [
        ("socketmap", "server-way-socketmap"),
        ("download", "server-way-download"),
        ("texthash", "server-way-texthash"),
        ("cdb", "server-way-cdb"),
        ("lmdb", "server-way-lmdb"),
    ];
    let words = admin.words();
    let (way, path) = (format!("{prefix}way"), format!("{prefix}path"));
    let text = now.to_string();
    let (chosen, typed) = text.split_once(':').unwrap_or((&text, ""));
    html! {
        label for=(way) { (words.say("blocking-way")) }
        select id=(way) name="way" {
            @for (value, label) in WAYS {
                option value=(value) selected[value == chosen] { (words.say(label)) }
            }
        }
        label for=(path) { (words.say("server-path")) }
        input id=(path) type="text" name="path" maxlength="500" value=(typed) placeholder="/etc/postfix/reprieve-blocked";
    }
}

/// The way that such a form asks for, as an operator types it.
fn way_of(form: &Acted) -> String {
    match form.field("way") {
        word @ ("socketmap" | "download") => word.to_owned(),
        map => format!("{map}:{}", form.field("path").trim()),
    }
}

/// One a line.
fn patterns(text: &str) -> Vec<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

fn organisations(admin: &Admin, id: &str, chosen: Option<&str>) -> Markup {
    let words = admin.words();
    html! {
        label for=(id) { (words.say("admin-organisation")) }
        select id=(id) name="organisation" {
            option value="" { (words.say("server-of-service")) }
            @for one in admin.app().directory.organisations() {
                option value=(one.id.as_str()) selected[chosen == Some(one.id.as_str())] { (one.name) }
            }
        }
    }
}

async fn make(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let here = server(&admin, &id).await?;
    let change = Change {
        id: Change::NEXT,
        name: Some(form.field("name").to_owned()),
        way: Some(way_of(&form)),
        organisation: Some(form.field("organisation").to_owned()),
        ..Change::default()
    };
    carry_out(&admin, &here, "make-server", change).await
}

async fn change(
    admin: Admin,
    Captured(id): Captured<String>,
    form: Acted,
) -> Result<Response, Trouble> {
    let here = server(&admin, &id).await?;
    let other = here.id != OWN;
    let change = Change {
        id: here.id,
        name: other.then(|| form.field("name").to_owned()),
        organisation: other.then(|| form.field("organisation").to_owned()),
        // The same way again would be a new token.
        way: Some(way_of(&form)).filter(|way| other && *way != here.way.to_string()),
        fixed: Some(form.field("fixed") == "yes"),
        never: Some(patterns(form.field("never"))),
        ..Change::default()
    };
    carry_out(&admin, &here, "set-server", change).await
}

async fn renew(
    admin: Admin,
    Captured(id): Captured<String>,
    _form: Acted,
) -> Result<Response, Trouble> {
    let here = server(&admin, &id).await?;
    if !matches!(here.way, Way::Download(_)) {
        return Err(Trouble::NotFound);
    }
    let way = Some("download".to_owned());
    let change = Change { id: here.id, way, ..Change::default() };
    carry_out(&admin, &here, "renew-server-token", change).await
}

async fn carry_out(
    admin: &Admin,
    here: &Server,
    what: &str,
    change: Change,
) -> Result<Response, Trouble> {
    let name = change.name.clone().unwrap_or_default();
    let also = told(admin, what, here, &name);
    match admin.blocking().change(change, admin.does(&also)).await {
        Ok(Changed { token: Some(token), server, .. }) => {
            Ok(shown(admin, &server, &token).await?.into_response())
        }
        Ok(Changed { server, .. }) => {
            let id = server.id.to_string();
            let place = Place::Blocking(&id, "distribution").to_string();
            Ok(Redirect::to(&place).into_response())
        }
        Err(refused) => {
            let notice = refusal(admin, refused)?;
            Ok(super::versions::page(admin, here, Some(notice)).await?.into_response())
        }
    }
}

/// The token, once.
async fn shown(admin: &Admin, server: &Server, token: &str) -> Result<Markup, Trouble> {
    let words = admin.words();
    let id = server.id.to_string();
    let address = admin.app().links.page(None, &format!("/api/v1/servers/{id}/list"));
    let body = html! {
        p { strong { (words.say("server-token")) } }
        pre { code { (token) } }
        p { (words.say("server-token-help")) }
        pre { code { "curl -fsS -H \"Authorization: Bearer TOKEN\" -H \"If-None-Match: $TAG\" " (address) } }
        p { a.button href=(Place::Blocking(&id, "distribution")) { (words.say("admin-back")) } }
    };
    tab(admin, server, "distribution", None, body).await
}
