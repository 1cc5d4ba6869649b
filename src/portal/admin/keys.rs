//! The keys that sign links: their age, and rotating them.
//!
//! A key is made, then promoted: it verifies before it signs. With several
//! nodes each of them must have the new file before any is promoted, and the
//! page says so. What a key signed ends when it is retired.

use axum::response::Redirect;
use axum::routing::{get, post};
use maud::{Markup, html};

use super::{Acted, Admin, Place, Route, Section, Sheet, table};
use crate::account::{Entry, Power, Step};
use crate::link::KeyError;
use crate::link::ring::{KeyState, KeyStatus, folder};
use crate::portal::error::Trouble;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::page(&Place::Keys, Power::SeeAll, get(show)),
        Route::act(&Place::NewKey, Power::Operate, post(make)),
        Route::act(&Place::PromoteKey, Power::Operate, post(promote)),
        Route::act(&Place::RetireKey, Power::Operate, post(retire)),
    ]
}

/// Works on the folder beside the runtime, then reads the ring again.
async fn work<T: Send + 'static>(
    admin: &Admin,
    work: impl FnOnce(&std::path::Path) -> Result<T, KeyError> + Send + 'static,
) -> Result<T, Trouble> {
    let (keys, ring) = (admin.console().keys.clone(), admin.console().ring.clone());
    let done = tokio::task::spawn_blocking(move || {
        let done = work(&keys)?;
        ring.reload()?;
        Ok::<_, KeyError>(done)
    });
    let failed = |error: KeyError| Trouble::Unavailable(error.to_string());
    done.await.map_err(|_| Trouble::Broken)?.map_err(failed)
}

async fn show(admin: Admin) -> Result<Markup, Trouble> {
    let words = admin.words();
    let now = admin.app().clock.now();
    let keys: Vec<KeyStatus> = work(&admin, folder::list).await?;
    let body = html! {
        p.soft { (words.say("admin-keys-help")) }
        div.scroll tabindex="0" role="region" aria-label=(words.say("admin-link-keys")) {
            table.rows {
                thead { tr {
                    th.number scope="col" { (words.say("admin-key")) }
                    th scope="col" { (words.say("admin-state")) }
                    th scope="col" { (words.say("admin-made")) }
                    @if admin.may(Power::Operate) { th scope="col" { span.hidden { (words.say("admin-actions")) } } }
                } }
                tbody {
                    @for key in &keys {
                        tr {
                            td.number { (key.id) }
                            td {
                                @if key.state == KeyState::Active { span class="state done" { span aria-hidden="true" { "✓ " } (words.say("admin-key-signs")) } }
                                @else { (words.say("admin-key-verifies")) }
                            }
                            td.time { (table::ago(words, key.created, now)) }
                            @if admin.may(Power::Operate) {
                                td {
                                    @if key.state == KeyState::Verifying {
                                        form method="post" action=(Place::PromoteKey) {
                                            (admin.token_field())
                                            input type="hidden" name="key" value=(key.id);
                                            button.quiet type="submit" { (words.say("admin-promote")) } " "
                                            button.danger type="submit" formaction=(Place::RetireKey) { (words.say("admin-retire")) }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        @if admin.may(Power::Operate) {
            form.actions method="post" action=(Place::NewKey) {
                (admin.token_field())
                button type="submit" { (words.say("admin-new-key")) }
            }
        }
    };
    let title = words.say("admin-link-keys");
    Ok(admin.page(&Sheet { section: Section::Keys, title, notice: None, body }))
}

/// Works on the keys, and records it before and after: see [`Step`].
async fn recorded<T: Send + 'static>(
    admin: &Admin,
    entry: Entry,
    act: impl FnOnce(&std::path::Path) -> Result<T, KeyError> + Send + 'static,
    done: impl FnOnce(Entry, &T) -> Entry,
) -> Result<(), Trouble> {
    let audit = admin.console().accounts.audit();
    audit.note(entry.clone().step(Step::Asked)).await?;
    match work(admin, act).await {
        Ok(made) => Ok(audit.note(done(entry, &made).step(Step::Done)).await?),
        Err(trouble) => {
            audit.note(entry.step(Step::Failed)).await?;
            Err(trouble)
        }
    }
}

fn back() -> Redirect {
    Redirect::to(&Place::Keys.to_string())
}

fn key_id(form: &Acted) -> Result<u16, Trouble> {
    form.field("key").parse().map_err(|_| Trouble::BadForm)
}

/// Nothing that must be read again may hang on a key that can be retired.
async fn encrypt_again(admin: &Admin) -> Result<(), Trouble> {
    // Whose secret is lost already hears of it when he logs in.
    admin.console().accounts.encrypt_again().await?;
    Ok(())
}

fn about(entry: Entry, id: u16) -> Entry {
    entry.about("key", &id.to_string())
}

async fn make(admin: Admin, _: Acted) -> Result<Redirect, Trouble> {
    recorded(&admin, admin.entry("new-key"), folder::new, |entry, id| about(entry, *id)).await?;
    Ok(back())
}

async fn promote(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    let id = key_id(&form)?;
    let entry = about(admin.entry("promote-key"), id);
    recorded(&admin, entry, move |keys| folder::promote(keys, id), |entry, ()| entry).await?;
    encrypt_again(&admin).await?;
    Ok(back())
}

async fn retire(admin: Admin, form: Acted) -> Result<Redirect, Trouble> {
    let id = key_id(&form)?;
    // Another may have been promoted by hand since the ring was read.
    work(&admin, |_| Ok(())).await?;
    encrypt_again(&admin).await?;
    let entry = about(admin.entry("retire-key"), id);
    recorded(&admin, entry, move |keys| folder::retire(keys, id), |entry, ()| entry).await?;
    Ok(back())
}
