//! Every decision leaves an entry of the audit: who, what, about what.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reprieve::account::Login;
use reprieve::link::ring::folder;
use reprieve::portal::console_powers;
use reprieve::queue::Item;
use reprieve::reputation::{Proof, Proofs, Scope, Standing, StandingState};
use reprieve::store::{Batch, Record};
use uuid::Uuid;

use crate::appeals::{apply, issue};
use crate::client::{Client, PASSWORD};
use crate::console;
use crate::organisation;
use crate::stage::{Stage, address};

/// Acts that decide nothing, or that another test looks at.
const ELSEWHERE: [(&str, &str); 3] = [
    ("/admin/many", "a preview"),
    ("/admin/organisations/{id}/logo", "the same change as a setting's"),
    ("/admin/queue/{id}/retry", "the gateway's: nothing is attempted here"),
];

/// One administrator who decides, and what he did.
struct Deeds<'s> {
    stage: &'s Stage,
    client: Client<'s>,
    done: Vec<String>,
}

impl Deeds<'_> {
    async fn enter(&mut self, password: &str) {
        self.client.log_in("anna", password, "").await;
        self.client.get("/admin/account").await;
    }

    /// Posts, and sees that the audit says so.
    async fn does(&mut self, pattern: &str, id: &str, fields: &[(&str, &str)]) -> String {
        let audit = self.stage.console.accounts.audit();
        let before = audit.page(&[], 1000).await.unwrap().len();
        let path = pattern.replace("{id}", id);
        let answer = self.client.post(&path, fields).await;
        let entries = audit.page(&[], 1000).await.unwrap();
        assert!(
            entries.len() > before,
            "{path} leaves no entry: {} {}",
            answer.status,
            answer.body
        );
        let his = entries[..entries.len() - before].iter().any(|entry| entry.who == "anna");
        assert!(his, "{path}: {entries:?}");
        assert!(answer.status.is_success() || answer.status.is_redirection(), "{path}");
        self.done.push(pattern.to_owned());
        if answer.status.is_redirection() { answer.location().to_owned() } else { answer.body }
    }
}

/// The value of a hidden field of a page.
fn field<'a>(page: &'a str, name: &str) -> &'a str {
    let rest = page.split(&format!("name=\"{name}\" value=\"")).nth(1);
    rest.unwrap_or_else(|| panic!("no {name}")).split('"').next().unwrap()
}

#[tokio::test]
async fn every_decision_of_the_console_is_recorded() {
    let stage = console().await;
    let anna = Login::parse("anna").unwrap();
    stage.console.accounts.add_for_demo(anna, PASSWORD).await.unwrap();
    let mut deeds = Deeds { stage: &stage, client: Client::new(&stage), done: Vec::new() };
    deeds.enter(PASSWORD).await;
    messages(&mut deeds).await;
    senders(&mut deeds).await;
    people(&mut deeds).await;
    service(&mut deeds).await;
    accounts(&mut deeds).await;
    for (pattern, _, post) in console_powers() {
        let elsewhere = ELSEWHERE.iter().any(|(other, _)| *other == pattern);
        // Delivery blocking has a test of its own.
        let known = elsewhere || pattern.starts_with("/admin/blocking");
        assert!(post.is_none() || known || deeds.done.contains(&pattern), "{pattern} is not tried");
    }
}

/// Files take part in no batch: the audit says what was asked for, and then
/// what came of it.
#[tokio::test]
async fn what_is_done_to_keys_is_recorded_before_and_after() {
    let stage = console().await;
    let anna = Login::parse("anna").unwrap();
    stage.console.accounts.add_for_demo(anna, PASSWORD).await.unwrap();
    let mut client = Client::new(&stage);
    client.log_in("anna", PASSWORD, "").await;
    client.get("/admin/keys").await;
    assert_eq!(client.post("/admin/keys/new", &[]).await.location(), "/admin/keys");
    let active = folder::list(&stage.console.keys).unwrap()[0].id.to_string();
    let refused = client.post("/admin/keys/retire", &[("key", &active)]).await;
    assert!(!refused.status.is_success() && !refused.status.is_redirection());
    let page = stage.console.accounts.audit().page(&[], 100).await.unwrap();
    let of_keys = page.iter().filter(|one| one.kind == "key" || one.what == "new-key");
    let said = of_keys.map(|one| (&*one.what, &*one.about, &*one.before, &*one.after));
    // Entries of one moment stand in no order.
    let mut said: Vec<_> = said.collect();
    said.sort_unstable();
    let expected = [
        ("new-key", "", "", "asked for"),
        ("new-key", "2", "asked for", "done"),
        ("retire-key", "1", "", "asked for"),
        ("retire-key", "1", "asked for", "failed"),
    ];
    assert_eq!(said, expected);
}

async fn messages(deeds: &mut Deeds<'_>) {
    let stage = deeds.stage;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(stage.hold(|_| {}).await.0.to_string());
    }
    let why = [("why", "asked by telephone")];
    deeds.does("/admin/quarantine/{id}/release", &ids[0], &why).await;
    deeds.does("/admin/quarantine/{id}/delete", &ids[1], &why).await;
    deeds.does("/admin/quarantine/{id}/read", &ids[2], &why).await;
    let block = [("what", "address"), ("for", "organisation example"), ("why", "pest")];
    deeds.does("/admin/quarantine/{id}/block", &ids[2], &block).await;
    deeds.does("/admin/quarantine/{id}/train", &ids[2], &[("as", "spam")]).await;
    let many = [("act", "delete"), ("pick", ids[3].as_str()), ("why", "pest")];
    let job = deeds.does("/admin/many/run", "", &many).await;
    deeds.does("/admin/many/{id}/stop", job.rsplit('/').next().unwrap(), &[]).await;
    let items = stage.store.page::<Item>(&[], 9).await.unwrap();
    let item: Uuid = items[0].record.id;
    deeds.does("/admin/queue/{id}/give-up", &item.to_string(), &why).await;
}

async fn senders(deeds: &mut Deeds<'_>) {
    let stage = deeds.stage;
    let now = stage.clock.now();
    let standing = Standing {
        address: address("kari@katto.example"),
        scope: Scope::Everywhere,
        proofs: Proofs::NONE.with(Proof::Dkim),
        state: StandingState::Probation,
        since: now,
        last_seen: now,
        releases: 1,
        clean_days: 0,
        today: 0,
        revocations: 0,
    };
    let mut batch = Batch::new();
    batch.insert(&standing);
    stage.store.commit(batch).await.unwrap();
    let sender = URL_SAFE_NO_PAD.encode(standing.id());
    let trusted = [("state", "trusted"), ("why", "known to us")];
    deeds.does("/admin/senders/{id}/decide", &sender, &trusted).await;
    let first = issue(stage, |_| {}).await;
    let first = apply(stage, first).await.id.to_string();
    let other = issue(stage, |held| held.rfc5322_from = Some(address("bo@far.example"))).await;
    let other = apply(stage, other).await.id.to_string();
    let question = [("question", "Since when do you write to them?")];
    deeds.does("/admin/appeals/{id}/ask", &first, &question).await;
    let grant = [("scope", "campaign"), ("days", "30"), ("volume", "9"), ("reason", "asked for")];
    deeds.does("/admin/appeals/{id}/grant", &first, &grant).await;
    deeds.does("/admin/appeals/{id}/deny", &other, &[("reason", "nobody asked")]).await;
}

async fn people(deeds: &mut Deeds<'_>) {
    let page = deeds.client.get("/admin/organisations/example").await.body;
    let change = [("seen", field(&page, "seen")), ("telephone", "+358 1")];
    deeds.does("/admin/organisations/{id}", "example", &change).await;
    let back = [("setting", "telephone")];
    deeds.does("/admin/organisations/{id}/back", "example", &back).await;
    let fresh = [("address", "fresh@example.fi")];
    let at = deeds.does("/admin/recipients", "", &fresh).await;
    let id = at.rsplit('/').next().unwrap().to_owned();
    let alias = [("add_alias", "f.resh@example.fi")];
    deeds.does("/admin/recipients/{id}", &id, &alias).await;
    deeds.does("/admin/recipients/{id}/digest", &id, &[]).await;
    deeds.does("/admin/recipients/{id}/end-sessions", &id, &[]).await;
    let rule = [("sender", "a@pest.example"), ("action", "block"), ("organisation", "example")];
    deeds.does("/admin/rules", "", &rule).await;
    let people = &deeds.stage.recipients.people;
    let rules = people.rules(&organisation("example"), None, 9).await.unwrap();
    let name = URL_SAFE_NO_PAD.encode(rules[0].key());
    deeds.does("/admin/rules/end", "", &[("rule", &name)]).await;
}

async fn service(deeds: &mut Deeds<'_>) {
    let halve = [("finding", "spf-softfail"), ("left", "50")];
    deeds.does("/admin/statistics/demote", "", &halve).await;
    let keys = &deeds.stage.console.keys;
    let old = folder::list(keys).unwrap()[0].id;
    deeds.does("/admin/keys/new", "", &[]).await;
    let all = folder::list(keys).unwrap();
    let new = all.iter().find(|key| key.id != old).unwrap().id.to_string();
    deeds.does("/admin/keys/promote", "", &[("key", &new)]).await;
    deeds.does("/admin/keys/retire", "", &[("key", &old.to_string())]).await;
}

async fn accounts(deeds: &mut Deeds<'_>) {
    let bo = [("login", "bo"), ("role", "auditor")];
    deeds.does("/admin/accounts", "", &bo).await;
    for act in ["disable", "enable", "reset"] {
        deeds.does(&format!("/admin/accounts/{act}"), "", &bo[..1]).await;
    }
    let token = [("name", "backup"), ("scope", "read"), ("days", "30")];
    let page = deeds.does("/admin/tokens", "", &token).await;
    deeds.does("/admin/tokens/revoke", "", &[("token", field(&page, "token"))]).await;
    let letters = [("address", "anna@example.fi")];
    deeds.does("/admin/account/address", "", &letters).await;
    let all = &deeds.stage.console.accounts;
    let anna = all.find(&Login::parse("anna").unwrap()).await.unwrap().unwrap();
    let session = all.sessions(&anna).await.unwrap()[0].hash.short();
    deeds.does("/admin/account/end", "", &[("session", &session)]).await;
    deeds.enter(PASSWORD).await;
    let again = "another horse, another battery";
    deeds.does("/admin/account/password", "", &[("old", PASSWORD), ("new", again)]).await;
    deeds.enter(again).await;
    deeds.does("/admin/logout", "", &[]).await;
}
