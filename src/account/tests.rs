//! Accounts over a store in memory.

use std::net::IpAddr;

use super::session::Secret;
use super::totp::Totp;
use super::*;
use crate::clock::SignedDuration;
use crate::directory::OrganisationId;
use crate::link::ring::folder;

const PASSWORD: &str = "correct horse battery";
const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

struct Stage {
    accounts: Accounts,
    store: Store,
    clock: Clock,
    totp: Totp,
    codes: Vec<String>,
}

fn by() -> Entry {
    Entry::new("console", "test")
}

fn login() -> Login {
    Login::parse("Anna").unwrap()
}

async fn stage() -> Stage {
    stage_with(KeyRing::ephemeral()).await
}

async fn stage_with(ring: KeyRing) -> Stage {
    let clock = Clock::stopped_at(Timestamp::from_second(1_795_600_005).unwrap());
    let store = Store::in_memory();
    let accounts = Accounts::new(store.clone(), clock.clone(), Cost::NONE, ring);
    let secret = accounts.add(&by(), login(), Role::Operator).await.unwrap();
    let totp = Totp::new();
    let code = totp.code(clock.now());
    let codes =
        accounts.set_up(&by(), (&login(), &secret), PASSWORD, (&totp, &code)).await.unwrap();
    clock.advance(SignedDuration::from_secs(60));
    Stage { accounts, store, clock, totp, codes }
}

impl Stage {
    async fn attempt(&self, password: &str, code: &str) -> Result<login::LoggedIn, LoginRefused> {
        let login = "anna";
        self.accounts.log_in(&Attempt { login, password, code, client: CLIENT, agent: "t" }).await
    }

    /// Logs in with the next code.
    async fn enter(&self) -> login::LoggedIn {
        self.clock.advance(SignedDuration::from_secs(60));
        let code = self.totp.code(self.clock.now());
        self.attempt(PASSWORD, &code).await.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn lives(&self, secret: &Secret) -> bool {
        self.accounts.session(secret).await.unwrap().is_some()
    }
}

#[tokio::test]
async fn a_login_needs_every_part() {
    let stage = stage().await;
    let code = stage.totp.code(stage.clock.now());
    assert!(stage.attempt("wrong password!", &code).await.is_err());
    assert!(stage.attempt(PASSWORD, "").await.is_err());
    assert!(stage.attempt(PASSWORD, "000000").await.is_err() || code == "000000");
    let done = stage.attempt(PASSWORD, &code).await.unwrap_or_else(|error| panic!("{error}"));
    assert!(stage.lives(&done.session).await);
    assert!(stage.attempt(PASSWORD, &code).await.is_err(), "A-02: a code opens once");
    let again = stage.attempt(PASSWORD, &stage.codes[0]).await;
    assert!(again.is_ok(), "a recovery code in its place");
    assert!(stage.attempt(PASSWORD, &stage.codes[0]).await.is_err(), "once");
}

/// Whether these bytes stand anywhere in the store.
async fn stands(store: &Store, bytes: &[u8]) -> bool {
    let all = store.scan(&[0], &[0xff], 10_000).await.unwrap();
    all.iter().any(|(_, value)| value.bytes.windows(bytes.len()).any(|part| part == bytes))
}

fn secret_of(totp: &Totp) -> Vec<u8> {
    totp_rs::Secret::try_from_base32(totp.base32()).unwrap().as_bytes().to_vec()
}

#[tokio::test]
async fn the_secret_of_codes_does_not_stand_in_the_store() {
    let stage = stage().await;
    let secret = secret_of(&stage.totp);
    assert!(!stands(&stage.store, &secret).await, "after it was set up");
    stage.enter().await;
    assert!(!stands(&stage.store, &secret).await, "after it was used");

    // As an older program wrote it.
    let row = stage.store.find::<Account>(b"anna").await.unwrap().unwrap();
    let mut old = row.record.clone();
    old.totp = Some(totp::Kept::plain(&stage.totp));
    let mut batch = Batch::new();
    batch.update(&row, &old);
    stage.store.commit(batch).await.unwrap();
    assert!(stands(&stage.store, &secret).await);
    let attempt = stage.attempt(PASSWORD, &stage.codes[0]).await;
    assert!(attempt.is_ok(), "any write encrypts it");
    assert!(!stands(&stage.store, &secret).await);
    stage.enter().await;
}

#[tokio::test]
async fn codes_outlast_their_key_and_its_loss_locks_nobody_out() {
    let keys = tempfile::tempdir().unwrap();
    let first = folder::new(keys.path()).unwrap();
    let ring = KeyRing::open(keys.path()).unwrap();
    let stage = stage_with(ring.clone()).await;
    let turn = |old: u16, again: bool| {
        let (keys, ring, accounts) = (keys.path(), ring.clone(), stage.accounts.clone());
        async move {
            let new = folder::new(keys).unwrap();
            folder::promote(keys, new).unwrap();
            ring.reload().unwrap();
            if again {
                assert_eq!(accounts.encrypt_again().await.unwrap(), []);
            }
            folder::retire(keys, old).unwrap();
            ring.reload().unwrap();
            new
        }
    };
    let second = turn(first, true).await;
    stage.enter().await;

    turn(second, false).await;
    assert_eq!(stage.accounts.encrypt_again().await.unwrap(), [login()], "his is lost");
    stage.clock.advance(SignedDuration::from_secs(60));
    let code = stage.totp.code(stage.clock.now());
    let told = stage.attempt(PASSWORD, &code).await.err().unwrap();
    assert_eq!(told, LoginRefused::Unreadable(login()));
    assert!(told.to_string().contains("reprieve admin reset anna"));
    let guessed = stage.attempt("not his password", &code).await.err();
    assert_eq!(guessed, Some(LoginRefused::Wrong), "nobody else is told");
    assert!(stage.attempt(PASSWORD, &stage.codes[0]).await.is_ok());
    assert!(stage.attempt(PASSWORD, &stage.codes[0]).await.is_err(), "once, as always");
}

/// More than the store reads at a time: all of them stand in front of Anna.
#[tokio::test]
async fn the_last_of_very_many_accounts_and_tokens_counts_too() {
    const MANY: usize = 1005;
    let stage = stage().await;
    let mut batch = Batch::new();
    for nth in 0..MANY {
        let login = Login::parse(&format!("a{nth:04}")).unwrap();
        let mut account = Account::new(login, Role::Auditor, stage.clock.now());
        account.totp = Some(totp::Kept::plain(&stage.totp));
        batch.insert(&account);
    }
    stage.store.commit(batch).await.unwrap();
    assert_eq!(stage.accounts.encrypt_again().await.unwrap(), []);
    assert!(!stands(&stage.store, &secret_of(&stage.totp)).await);
    assert_eq!(stage.accounts.list().await.unwrap().len(), MANY + 1);
    let refused = stage.accounts.set_disabled(&by(), &login(), true).await;
    assert!(matches!(refused, Err(AccountError::LastOperator(_))), "{refused:?}");

    for _ in 0..MANY {
        let scope = (token::Scope::Read, 30);
        stage.accounts.make_token(&by(), &login(), "night", scope).await.unwrap();
    }
    let mut all = tokens(&stage).await;
    assert_eq!(all.len(), MANY);
    all.sort_by_key(|token| *token.hash.as_bytes());
    let last = all.last().unwrap().hash.short();
    stage.accounts.revoke_token(&by(), None, &last).await.unwrap();
    assert_eq!(tokens(&stage).await.len(), MANY - 1);
}

/// Every token, the latest first.
async fn tokens(stage: &Stage) -> Vec<ApiToken> {
    let all = stage.accounts.tokens(None, Toward::First, (&[], usize::MAX)).await;
    all.unwrap().0.records
}

#[tokio::test]
async fn tokens_are_paged_by_when_they_were_made() {
    let stage = stage().await;
    let (me, other) = (login(), Login::parse("other").unwrap());
    for nth in 0..7 {
        // The third and the fourth are made in the same moment.
        stage.clock.advance(SignedDuration::from_secs(i64::from(nth != 3)));
        let of = if nth == 5 { &other } else { &me };
        let scope = (token::Scope::Read, 30);
        stage.accounts.make_token(&by(), of, &format!("t{nth}"), scope).await.unwrap();
    }
    for (of, toward) in [
        (None, Toward::First),
        (None, Toward::Last),
        (Some(&me), Toward::First),
        (Some(&me), Toward::Last),
    ] {
        let (mut after, mut seen) = (Vec::new(), Vec::new());
        loop {
            let (page, next) = stage.accounts.tokens(of, toward, (&after, 2)).await.unwrap();
            assert!((1..=2).contains(&page.records.len()));
            seen.extend(page.records);
            let Some(next) = next else { break };
            after = next;
        }
        if toward == Toward::First {
            seen.reverse();
        }
        assert!(seen.is_sorted_by_key(|token| token.created_at), "{of:?} {toward:?}");
        let mut names: Vec<&str> = seen.iter().map(|token| token.name.as_str()).collect();
        names.sort_unstable();
        let his = ["t0", "t1", "t2", "t3", "t4", "t6"];
        let all = ["t0", "t1", "t2", "t3", "t4", "t5", "t6"];
        assert_eq!(names, if of.is_some() { &his[..] } else { &all }, "{of:?} {toward:?}");
    }
}

#[tokio::test]
async fn a_search_of_the_audit_stops_in_time_and_goes_on() {
    let stage = stage().await;
    let audit = stage.accounts.audit();
    audit.note(Entry::new("test", "needle")).await.unwrap();
    stage.clock.advance(SignedDuration::from_secs(1));
    let mut batch = Batch::new();
    for _ in 0..1200 {
        audit.record(&mut batch, Entry::new("test", "hay"));
    }
    stage.store.commit(batch).await.unwrap();
    let bounds = audit::Bounds { limit: 50, most: usize::MAX, time: std::time::Duration::ZERO };
    let (mut after, mut looks, mut seen) = (Vec::new(), 0, 0);
    loop {
        let found = audit.find("needle", audit::Order::Latest, &after, bounds).await.unwrap();
        looks += 1;
        seen += found.entries.len();
        let Some(next) = found.next else { break };
        after = next;
    }
    assert_eq!(seen, 1);
    assert!(looks > 2, "{looks}: it looked on although its time was over");
}

#[tokio::test]
async fn a_05_every_session_is_dead_at_once() {
    let stage = stage().await;
    let (one, two) = (stage.enter().await, stage.enter().await);
    assert_ne!(one.session.to_text(), two.session.to_text());
    stage.accounts.logout(&by(), &login()).await.unwrap();
    assert!(!stage.lives(&one.session).await && !stage.lives(&two.session).await);

    let one = stage.enter().await;
    let new = "another long password";
    let wrong = stage.accounts.change_password(&by(), &login(), "not it, really", new).await;
    assert_eq!(wrong, Err(AccountError::Code));
    assert!(stage.lives(&one.session).await);
    stage.accounts.change_password(&by(), &login(), PASSWORD, new).await.unwrap();
    assert!(!stage.lives(&one.session).await);
    stage.accounts.change_password(&by(), &login(), new, PASSWORD).await.unwrap();

    let one = stage.enter().await;
    let other = Login::parse("other").unwrap();
    stage.accounts.add_for_demo(other, PASSWORD).await.unwrap();
    stage.accounts.set_disabled(&by(), &login(), true).await.unwrap();
    assert!(!stage.lives(&one.session).await);
    stage.clock.advance(SignedDuration::from_secs(60));
    let code = stage.totp.code(stage.clock.now());
    assert!(stage.attempt(PASSWORD, &code).await.is_err());
    stage.accounts.set_disabled(&by(), &login(), false).await.unwrap();
    assert!(!stage.lives(&one.session).await, "enabling brings no session back");
}

#[tokio::test]
async fn sessions_end_by_idleness_and_age_and_one_by_one() {
    let stage = stage().await;
    let (one, two) = (stage.enter().await, stage.enter().await);
    let listed = stage.accounts.sessions(&two.account).await.unwrap();
    assert_eq!(listed.len(), 2);
    let short = one.session.hash().short();
    stage.accounts.end_session(&by(), &login(), &short).await.unwrap();
    assert!(!stage.lives(&one.session).await && stage.lives(&two.session).await);
    for _ in 0..13 {
        stage.clock.advance(SignedDuration::from_hours(11));
        assert!(stage.lives(&two.session).await);
    }
    stage.clock.advance(SignedDuration::from_hours(26));
    assert!(!stage.lives(&two.session).await);
    let three = stage.enter().await;
    stage.clock.advance(SignedDuration::from_hours(12));
    assert!(!stage.lives(&three.session).await, "idle");
}

#[tokio::test]
async fn a_setup_link_is_good_once_and_for_a_day() {
    let stage = stage().await;
    let accounts = &stage.accounts;
    let secret = accounts.reset(&by(), &login()).await.unwrap();
    let totp = Totp::new();
    let code = |clock: &Clock| totp.code(clock.now());
    assert!(stage.attempt(PASSWORD, &stage.codes[1]).await.is_err(), "reset forgets the password");
    let wrong = accounts.setup_of("anna", &Secret::new()).await;
    assert_eq!(wrong, Err(AccountError::Setup));
    let set_up = |password: &'static str, code: String| {
        let (accounts, secret, totp) = (accounts.clone(), secret.clone(), totp.clone());
        async move { accounts.set_up(&by(), (&login(), &secret), password, (&totp, &code)).await }
    };
    let short = set_up("short", code(&stage.clock)).await;
    assert_eq!(short, Err(AccountError::Password(BadPassword::Short)));
    assert_eq!(set_up(PASSWORD, "12".to_owned()).await, Err(AccountError::Code));
    assert!(set_up(PASSWORD, code(&stage.clock)).await.is_ok());
    assert_eq!(set_up(PASSWORD, code(&stage.clock)).await, Err(AccountError::Setup));
    let secret = accounts.reset(&by(), &login()).await.unwrap();
    stage.clock.advance(SignedDuration::from_hours(24));
    assert_eq!(accounts.setup_of("anna", &secret).await, Err(AccountError::Setup));
}

#[tokio::test]
async fn the_first_operator_s_link_is_made_while_nobody_can_log_in() {
    let clock = Clock::stopped_at(Timestamp::from_second(1_795_600_005).unwrap());
    let (store, ring) = (Store::in_memory(), KeyRing::ephemeral());
    let accounts = Accounts::new(store, clock.clone(), Cost::NONE, ring);
    let (login, first) = accounts.first_operator().await.unwrap().unwrap();
    let (_, second) = accounts.first_operator().await.unwrap().unwrap();
    assert!(accounts.setup_of(login.as_str(), &first).await.is_err(), "the later one counts");
    let totp = Totp::new();
    let code = totp.code(clock.now());
    accounts.set_up(&by(), (&login, &second), PASSWORD, (&totp, &code)).await.unwrap();
    assert!(accounts.first_operator().await.unwrap().is_none());
}

#[tokio::test]
async fn the_last_operator_stays() {
    let stage = stage().await;
    let last = Err(AccountError::LastOperator(login()));
    assert_eq!(stage.accounts.set_disabled(&by(), &login(), true).await, last);
    assert_eq!(stage.accounts.set_role(&by(), &login(), Role::Auditor).await, last);
    let again = stage.accounts.add(&by(), login(), Role::Auditor).await;
    assert_eq!(again.err(), Some(AccountError::Taken(login())));
}

#[tokio::test]
async fn a_08_the_audit_keeps_everything_on_one_line() {
    let stage = stage().await;
    let entry = Entry::new("anna", "release").about("held", "x\r\n\u{1b}[31my\u{202e}");
    stage.accounts.audit().note(entry.why("first\nsecond")).await.unwrap();
    stage.clock.advance(SignedDuration::from_secs(1));
    stage.accounts.audit().note(Entry::new("anna", "delete")).await.unwrap();
    let page = stage.accounts.audit().page(&[], 2).await.unwrap();
    assert_eq!((page[0].what.as_str(), page[1].what.as_str()), ("delete", "release"));
    assert_eq!(page[1].about, "x  \\u{1b}[31my\\u{202e}");
    assert_eq!(page[1].why, "first second");
    let rest = stage.accounts.audit().page(&page[1].cursor(), 10).await.unwrap();
    assert_eq!(rest.len(), 2, "made and set up");
    assert!(rest.iter().all(|entry| entry.about == "anna"));
}

#[tokio::test]
async fn a_token_acts_for_its_maker_until_it_ends() {
    let stage = stage().await;
    let accounts = &stage.accounts;
    let kind = (token::Scope::Read, 30);
    let text = accounts.make_token(&by(), &login(), "nightly\n", kind).await.unwrap();
    let (account, found) = accounts.bearer(&text).await.unwrap().unwrap();
    assert_eq!((account.login, found.name.as_str()), (login(), "nightly"));
    assert!(accounts.bearer(&text[9..]).await.unwrap().is_none());
    assert!(accounts.bearer("reprieve_x").await.unwrap().is_none());
    let other = Login::parse("other").unwrap();
    let short = found.hash.short();
    accounts.revoke_token(&by(), Some(&other), &short).await.unwrap();
    assert!(accounts.bearer(&text).await.unwrap().is_some(), "not his to revoke");
    stage.clock.advance(SignedDuration::from_hours(30 * 24));
    assert!(accounts.bearer(&text).await.unwrap().is_none(), "expired");
    let text = accounts.make_token(&by(), &login(), "nightly", kind).await.unwrap();
    let short = tokens(&stage).await[0].hash.short();
    accounts.revoke_token(&by(), None, &short).await.unwrap();
    assert!(accounts.bearer(&text).await.unwrap().is_none(), "revoked");
}

#[test]
fn logins_are_plain() {
    assert_eq!(Login::parse(" Anna.K@Example.fi ").unwrap().as_str(), "anna.k@example.fi");
    for bad in ["", "a b", "ä", "a\n", &"x".repeat(65), "a/b"] {
        assert!(Login::parse(bad).is_err() || bad == "a\n", "{bad:?}");
    }
}

#[test]
fn roles_and_powers() {
    let own = OrganisationId::new("example").unwrap();
    let other = OrganisationId::new("other").unwrap();
    let admin = Role::OrganisationAdmin(vec![own.clone()]);
    assert!(admin.may(Power::Decide) && admin.may(Power::Read) && !admin.may(Power::Operate));
    assert!(!admin.may(Power::SeeAll));
    assert!(admin.covers(&own) && !admin.covers(&other));
    assert!(Role::Auditor.may(Power::SeeAll) && !Role::Auditor.may(Power::Read));
    assert!(!Role::Auditor.may(Power::Decide));
    assert!(Role::Operator.may(Power::Operate));
}
