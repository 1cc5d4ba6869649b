//! Who must agree, what it changes, and that nothing is lost or learnt twice.

use super::*;
use crate::directory::sample;
use crate::mail::{Client, Envelope, Recipient, ReversePath};
use crate::quarantine::sample::held;
use crate::reputation::VoteKind;

const TEXT: &str = "Golden tulips and silver daffodils for every garden of the town, planted \
    within a week by friendly gardeners who love their work and know each flower by name";
const OTHER: &str = "The board meets on Thursday to look at the accounts of the third quarter and \
    at the plan for next year; please read the two papers that Maija sent before you come";

struct World {
    folder: tempfile::TempDir,
    store: Store,
    clock: Clock,
    model: Current,
    lessons: Lessons,
}

impl World {
    fn new() -> Self {
        Self::with(Some(2))
    }

    fn with(people: Option<u32>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let model = Current::from(Model::starter());
        let file = folder.path().join("content.model");
        let lessons = lessons(&store, &clock, &model, file, people);
        Self { folder, store, clock, model, lessons }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("content.model")
    }

    /// Holds a message for this recipient.
    async fn holds(&self, recipient: &str, text: &str) -> Uuid {
        let message = message(text);
        let mut held = held(&[recipient], self.clock.now());
        held.digest = message.hash();
        let mut batch = Batch::new();
        let content = stored::write(&envelope(), &message);
        batch.body(Body { id: held.id, expires: held.expires_at, content });
        batch.insert(&held);
        self.store.commit(batch).await.unwrap();
        held.id
    }

    async fn says(&self, vote: Vote) {
        let mut batch = Batch::new();
        batch.insert(&vote);
        self.store.commit(batch).await.unwrap();
    }

    /// A recipient of his own copy of `text` says what `vote` makes of it.
    async fn hears(&self, recipient: &str, text: &str, vote: impl Fn(Uuid, &Address) -> Vote) {
        let about = self.holds(recipient, text).await;
        self.says(vote(about, &Address::parse(recipient).unwrap())).await;
    }

    async fn flags(&self, recipient: &str, text: &str) {
        let now = self.clock.now();
        self.hears(recipient, text, |about, who| Vote::of_flag(about, who, false, now)).await;
    }

    async fn step(&self) {
        self.lessons.step().await.unwrap();
    }

    fn score(&self, text: &str) -> f32 {
        score(&self.model.model(), text)
    }

    async fn waiting(&self) -> usize {
        self.store.page::<Vote>(&[], 100_000).await.unwrap().len()
    }
}

fn lessons(
    store: &Store,
    clock: &Clock,
    model: &Current,
    file: PathBuf,
    people: Option<u32>,
) -> Lessons {
    let tools = Tools {
        store: store.clone(),
        clock: clock.clone(),
        directory: sample::directory(Vec::new()),
        model: model.clone(),
        maillog: Maillog::default(),
    };
    Lessons::new(Settings { file, people, limits: Limits::default() }, tools)
}

fn message(text: &str) -> Message {
    let (name, subject) = (&text[text.len() - 6..], &text[text.len() - 40..]);
    let name = name.replace(' ', "-");
    let mail = format!("From: {name}@far.example\r\nSubject: {subject}\r\n\r\n{text}\r\n");
    Message::new(mail.into_bytes().into())
}

fn envelope() -> Envelope {
    let address = Address::parse("anna@ours.example").unwrap();
    Envelope {
        client: Client {
            ip: [192, 0, 2, 7].into(),
            name: None,
            helo: "far.example".into(),
            tls: None,
            esmtp: true,
        },
        authenticated: None,
        mail_from: ReversePath::Null,
        rcpt_to: vec![Recipient { raw: address.to_string(), address }],
        eight_bit: false,
        smtputf8: false,
        received_at: Timestamp::UNIX_EPOCH,
        session_id: "lesson".into(),
    }
}

fn score(model: &Model, text: &str) -> f32 {
    model.margin_of(&content::example(&message(text), false).unwrap())
}

#[tokio::test]
async fn one_person_s_clicks_never_change_a_score() {
    let world = World::new();
    let before = world.score(TEXT);
    let now = world.clock.now();
    for _ in 0..20 {
        world.flags("anna@ours.example", TEXT).await;
        world.flags("anna+tag@ours.example", TEXT).await;
        // Her login is her address: still one person.
        let about = world.holds("bo@ours.example", TEXT).await;
        world.says(Vote::by_administrator(about, "Anna@ours.example", true, now)).await;
        world.step().await;
    }
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
    assert_eq!(world.waiting().await, 0, "it was heard");
    assert!(!world.file().exists());
}

#[tokio::test]
async fn two_people_s_words_do() {
    let world = World::new();
    let (before, other) = (world.score(TEXT), world.score(OTHER));
    world.flags("anna@ours.example", &format!("Dear Anna, {TEXT}")).await;
    world.step().await;
    world.flags("bo@theirs.example", &format!("Dear Bo, {TEXT}")).await;
    world.step().await;
    assert!(world.score(TEXT) > before + 0.3, "{before} {}", world.score(TEXT));
    let (moved, along) = (world.score(TEXT) - before, world.score(OTHER) - other);
    assert!(along.abs() < moved / 2.0, "another text moved {along}, this one {moved}");
    let taught = Model::open(&world.file()).unwrap().taught();
    assert_eq!((taught.number, taught.lessons), (1, 1));
    assert_eq!(taught.heard.0[VoteKind::Flag as usize], 2);
    // A third changes nothing any more.
    let after = world.score(TEXT);
    world.flags("carl@theirs.example", TEXT).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), after.to_bits());
}

#[tokio::test]
async fn an_administrator_is_one_person_more() {
    let world = World::new();
    let (before, now) = (world.score(TEXT), world.clock.now());
    let about = world.holds("anna@ours.example", TEXT).await;
    world.says(Vote::by_administrator(about, "root", false, now)).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits(), "not by himself");
    let freed = |about, who: &Address| Vote::of_release(about, who, now);
    world.hears("anna@ours.example", TEXT, freed).await;
    world.step().await;
    let wanted = world.score(TEXT);
    assert!(wanted < before - 0.1, "{before} {wanted}");
    // He changes his mind: two against one are not agreed.
    world.says(Vote::by_administrator(about, "root", true, now)).await;
    world.step().await;
    assert!((world.score(TEXT) - before).abs() < 0.01, "{before} {}", world.score(TEXT));
}

#[tokio::test]
async fn r_07_ten_thousand_self_releases_teach_nothing() {
    let world = World::new();
    let before = world.score(TEXT);
    let now = world.clock.now();
    // What a sender's own release leaves behind: copies that nobody objects to.
    let about = world.holds("r@ours.example", TEXT).await;
    let mut batch = Batch::new();
    for n in 0..10_000 {
        let recipient = Address::parse(&format!("r{n}@ours.example")).unwrap();
        batch.insert(&Vote::of_silence(about, &recipient, now));
    }
    world.store.commit(batch).await.unwrap();
    world.step().await;
    assert_eq!(world.waiting().await, 10_000, "it is not heard before its time");
    world.clock.advance(SignedDuration::from_hours(7 * 24));
    world.step().await;
    assert_eq!(world.waiting().await, 0);
    // Even with one accomplice among the recipients.
    let freed = |about, who: &Address| Vote::of_release(about, who, world.clock.now());
    world.hears("anna@ours.example", TEXT, freed).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
    assert!(!world.file().exists());
}

#[tokio::test]
async fn silence_speaks_against_two_but_not_against_three() {
    let world = World::new();
    let before = world.score(TEXT);
    let now = world.clock.now();
    for n in 0..9 {
        let silent = |about, who: &Address| Vote::of_silence(about, who, now);
        world.hears(&format!("r{n}@ours.example"), TEXT, silent).await;
    }
    world.clock.advance(SignedDuration::from_hours(7 * 24));
    world.flags("anna@ours.example", TEXT).await;
    world.flags("bo@ours.example", TEXT).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
    world.flags("carl@ours.example", TEXT).await;
    world.step().await;
    assert!(world.score(TEXT) > before + 0.3);
}

#[tokio::test]
async fn an_undone_flag_takes_the_lesson_back() {
    let world = World::new();
    let (before, now) = (world.score(TEXT), world.clock.now());
    world.flags("anna@ours.example", TEXT).await;
    world.flags("bo@ours.example", TEXT).await;
    world.step().await;
    assert!(world.score(TEXT) > before + 0.3);
    let back = |about, who: &Address| Vote::of_flag(about, who, false, now).withdrawn();
    world.hears("bo@ours.example", TEXT, back).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
    let model = Model::open(&world.file()).unwrap();
    assert_eq!((model.taught().lessons, model.learnt().later), (0, 0));
    world.flags("bo@ours.example", TEXT).await;
    world.step().await;
    assert!(world.score(TEXT) > before + 0.3, "and it can be learnt again");
}

#[tokio::test]
async fn a_word_can_be_taken_back_when_the_message_is_gone() {
    let world = World::new();
    let (before, now) = (world.score(TEXT), world.clock.now());
    world.flags("anna@ours.example", TEXT).await;
    let about = world.holds("bo@ours.example", TEXT).await;
    let bo = Address::parse("bo@ours.example").unwrap();
    world.says(Vote::of_flag(about, &bo, false, now)).await;
    world.step().await;
    assert!(world.score(TEXT) > before + 0.3);
    for row in world.store.page::<Held>(&[], 10).await.unwrap() {
        let mut batch = Batch::new();
        batch.remove(&row).erase(row.record.id);
        world.store.commit(batch).await.unwrap();
    }
    world.says(Vote::of_flag(about, &bo, false, now).withdrawn()).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
}

#[tokio::test]
async fn people_who_change_their_minds_turn_the_lesson_round() {
    let world = World::new();
    let (before, now) = (world.score(TEXT), world.clock.now());
    let about = world.holds("anna@ours.example", TEXT).await;
    for spam in [true, false] {
        for login in ["one", "two"] {
            world.says(Vote::by_administrator(about, login, spam, now)).await;
        }
        world.step().await;
        assert_eq!(world.score(TEXT) > before, spam);
        assert_eq!(world.waiting().await, 0);
    }
    assert_eq!(world.model.model().taught().lessons, 1);
}

#[tokio::test]
async fn nobody_speaks_for_a_mail_in_his_own_name() {
    let world = World::new();
    let before = world.score(TEXT);
    let now = world.clock.now();
    let about = world.holds("anna@ours.example", TEXT).await;
    let own = Address::parse("sender@far.example").unwrap();
    world.says(Vote::of_release(about, &own, now)).await;
    world.says(Vote::by_administrator(about, "root", false, now)).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
}

#[tokio::test]
async fn a_crash_between_the_lesson_and_the_file_loses_and_doubles_nothing() {
    let world = World::new();
    let before = world.score(TEXT);
    // The disk refuses the file; the lesson is in the store.
    let nowhere = world.folder.path().join("gone").join("content.model");
    std::fs::create_dir(nowhere.parent().unwrap()).unwrap();
    std::fs::write(nowhere.with_extension("lock"), "").unwrap();
    std::fs::create_dir(nowhere.with_extension("fresh")).unwrap();
    let dying = lessons(&world.store, &world.clock, &world.model, nowhere, Some(2));
    world.flags("anna@ours.example", TEXT).await;
    world.flags("bo@ours.example", TEXT).await;
    assert!(matches!(dying.step().await, Err(LessonError::Model(_))));
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
    assert_eq!(world.waiting().await, 0, "both were heard");
    // The next start.
    world.step().await;
    let after = world.score(TEXT);
    assert!(after > before + 0.3);
    let again = Current::from(Model::starter());
    let next = lessons(&world.store, &world.clock, &again, world.file(), Some(2));
    next.step().await.unwrap();
    assert_eq!(score(&again.model(), TEXT).to_bits(), after.to_bits(), "once, not twice");
    assert!(*again.model() == Model::open(&world.file()).unwrap());
}

#[tokio::test]
async fn a_file_that_train_replaced_is_taken_up_and_keeps_what_people_said() {
    let world = World::new();
    world.flags("anna@ours.example", TEXT).await;
    world.flags("bo@ours.example", TEXT).await;
    world.step().await;
    let mut trained = Model::open(&world.file()).unwrap();
    let lesson = content::example(&message(OTHER), true).unwrap();
    trained.learn(&lesson, 1.0, true);
    trained.save(&world.file()).unwrap();
    world.step().await;
    assert!(*world.model.model() == trained);
    // Without a file the starter learns again what is still remembered.
    std::fs::remove_file(world.file()).unwrap();
    let fresh = Current::from(Model::starter());
    lessons(&world.store, &world.clock, &fresh, world.file(), Some(2)).step().await.unwrap();
    assert!(score(&fresh.model(), TEXT) > world.score(TEXT) - 0.5);
    assert_eq!(Model::open(&world.file()).unwrap().taught().lessons, 1);
}

#[tokio::test]
async fn an_old_lesson_is_forgotten_and_stays_learnt() {
    let world = World::new();
    world.flags("anna@ours.example", TEXT).await;
    world.flags("bo@ours.example", TEXT).await;
    world.step().await;
    let after = world.score(TEXT);
    let row = world.store.page::<Lesson>(&[], 10).await.unwrap().remove(0);
    let marks = Uuid::from_bytes(row.record.marks.unwrap());
    assert!(world.store.body(marks).await.unwrap().is_some());
    world.clock.advance(KEPT + SignedDuration::from_secs(1));
    world.step().await;
    assert!(world.store.page::<Lesson>(&[], 10).await.unwrap().is_empty());
    assert!(world.store.body(marks).await.unwrap().is_none());
    assert_eq!(world.score(TEXT).to_bits(), after.to_bits());
}

#[tokio::test]
async fn switched_off_nothing_is_learnt() {
    let world = World::with(None);
    let before = world.score(TEXT);
    for who in ["anna@ours.example", "bo@ours.example", "carl@ours.example"] {
        world.flags(who, TEXT).await;
    }
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits());
    assert_eq!(world.waiting().await, 0);
}

/// A recipient reports a message that was never held.
async fn report(world: &World, recipient: &str, from: &str, text: &str) -> Uuid {
    let (id, now) = (Uuid::now_v7(), world.clock.now());
    let (recipient, from) = (Address::parse(recipient).unwrap(), Address::parse(from).unwrap());
    let ends = now + SignedDuration::from_hours(14 * 24);
    let reported = Reported { id, recipient: recipient.clone(), from, ends };
    let mut batch = Batch::new();
    reported.keep(&mut batch, &message(text), now);
    batch.insert(&Vote::of_flag(id, &recipient, false, now));
    world.store.commit(batch).await.unwrap();
    id
}

#[tokio::test]
async fn two_people_s_reports_of_mail_that_was_never_held_teach() {
    let world = World::new();
    let before = world.score(TEXT);
    let first = report(&world, "anna@ours.example", "pest@far.example", TEXT).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits(), "one person is not enough");
    // He speaks of a mail that shows his own address.
    report(&world, "bo@ours.example", "bo@ours.example", TEXT).await;
    world.step().await;
    assert_eq!(world.score(TEXT).to_bits(), before.to_bits(), "nobody in his own name");
    report(&world, "cy@ours.example", "pest@far.example", TEXT).await;
    world.step().await;
    assert!(world.score(TEXT) > before + 0.3);
    assert_eq!(world.waiting().await, 0);

    world.clock.advance(SignedDuration::from_hours(15 * 24));
    world.step().await;
    assert_eq!(world.store.page::<Reported>(&[], 9).await.unwrap(), []);
    assert_eq!(world.store.body(first).await, Ok(None), "and its bytes are gone");
}
