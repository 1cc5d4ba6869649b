//! Who may object, what it ends, and how it is undone.

use jiff::SignedDuration;

use super::*;
use crate::directory::{Claim, sample};
use crate::reputation::standing::{Regard, Settings};
use crate::reputation::{Network, Proof, Proofs, Vote, VoteKind};

struct World {
    store: Store,
    clock: Clock,
    people: People,
    reputation: Reputation,
    flags: Flags,
}

impl World {
    async fn new(flags_to_revoke: u16) -> Self {
        let store = Store::in_memory();
        let clock = Clock::stopped_at(Timestamp::from_second(1_800_000_000).unwrap());
        let directory = sample::directory(Vec::new());
        let people = People::open(store.clone(), clock.clone(), directory).await.unwrap();
        let settings = Settings { flags_to_revoke, ..Settings::default() };
        let reputation = Reputation::new(store.clone(), clock.clone(), settings);
        let flags = Flags::new(
            store.clone(),
            clock.clone(),
            people.clone(),
            reputation.clone(),
            Maillog::default(),
        );
        Self { store, clock, people, reputation, flags }
    }

    async fn trust(&self, sender: &Sender, organisation: &OrganisationId) {
        let mut batch = Batch::new();
        let all = [organisation.clone()];
        self.reputation.grant(&mut batch, sender, &all).await.unwrap();
        self.store.commit(batch).await.unwrap();
    }

    async fn regard(&self, sender: &Sender, organisation: &OrganisationId) -> Regard {
        self.reputation.regard(sender, organisation).await.unwrap()
    }

    fn blocks(&self, recipient: &Address, sender: &Sender) -> bool {
        let directory = self.people.directory();
        let organisation = directory.organisation_of(recipient.domain()).unwrap();
        let senders: Vec<&Address> = sender.address.iter().collect();
        let claim: Claim<'_> = sender.claim(&senders);
        directory.rule(&organisation, recipient, &claim) == Some(RuleAction::Block)
    }
}

fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn sender(proofs: Proofs) -> Sender {
    Sender {
        address: Some(address("Kari+x@far.example")),
        proofs,
        network: Network::of([192, 0, 2, 7].into()),
    }
}

fn proved() -> Sender {
    sender(Proofs::NONE.with(Proof::Dkim))
}

fn ours() -> OrganisationId {
    OrganisationId::new("ours").unwrap()
}

fn theirs() -> OrganisationId {
    OrganisationId::new("theirs").unwrap()
}

#[tokio::test]
async fn a_person_s_flag_blocks_at_once_and_ends_the_trust_everywhere() {
    let world = World::new(1).await;
    let (anna, bo) = (address("anna@ours.example"), address("bo@ours.example"));
    world.trust(&proved(), &ours()).await;
    let flags = &world.flags;
    let flag = flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    assert_eq!(flag.ended, Some(StandingState::Probation));
    assert!(world.blocks(&anna, &proved()));
    assert!(!world.blocks(&bo, &proved()), "others are not blocked");
    assert!(!world.blocks(&anna, &sender(Proofs::NONE)), "a forger is somebody else");
    for organisation in [ours(), theirs()] {
        assert_eq!(world.regard(&proved(), &organisation).await, Regard::Revoked);
    }
    let again = flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    assert_eq!(again, flag, "twice is once");
}

#[tokio::test]
async fn a_flag_and_its_undoing_are_votes_about_the_message() {
    let world = World::new(1).await;
    let (anna, about) = (address("anna@ours.example"), Uuid::now_v7());
    let flags = &world.flags;
    for by in [FlagBy::Machine, FlagBy::Person, FlagBy::Person] {
        flags.flag(&proved(), &ours(), &anna, by, Some(about)).await.unwrap();
    }
    flags.undo(&proved(), &ours(), &anna).await.unwrap();
    let bo = address("bo@ours.example");
    flags.flag(&proved(), &ours(), &bo, FlagBy::Person, None).await.unwrap();
    let rows = world.store.page::<Vote>(&[], 10).await.unwrap();
    let votes: Vec<(VoteKind, bool)> =
        rows.iter().map(|row| (row.record.kind, row.record.withdrawn)).collect();
    let flag = VoteKind::Flag;
    assert_eq!(votes, [(VoteKind::Machine, false), (flag, false), (flag, true)]);
    assert!(rows.iter().all(|row| row.record.spam && row.record.about == about));
}

#[tokio::test]
async fn a_machine_s_flag_acts_for_its_recipient_only() {
    let world = World::new(1).await;
    let anna = address("anna@ours.example");
    world.trust(&proved(), &ours()).await;
    let flags = &world.flags;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Machine, None).await.unwrap();
    assert!(world.blocks(&anna, &proved()));
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Trusted);
    let flag = flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    assert_eq!(flag.by, FlagBy::Person, "her own word counts for more");
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Revoked);
}

#[tokio::test]
async fn undone_within_30_days_all_is_as_before() {
    let world = World::new(1).await;
    let anna = address("anna@ours.example");
    world.trust(&proved(), &ours()).await;
    let flags = &world.flags;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    world.clock.advance(SignedDuration::from_hours(29 * 24));
    flags.undo(&proved(), &ours(), &anna).await.unwrap();
    assert!(!world.blocks(&anna, &proved()));
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Trusted);
    let standing = world.reputation.standing(&proved(), &ours()).await.unwrap().unwrap();
    assert_eq!(standing.record.revocations, 0, "it does not count towards the second");
    assert_eq!(flags.undo(&proved(), &ours(), &anna).await, Err(FlagError::Gone));

    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    world.clock.advance(UNDOABLE);
    assert_eq!(flags.undo(&proved(), &ours(), &anna).await, Err(FlagError::Gone));
    assert!(world.blocks(&anna, &proved()));
}

#[tokio::test]
async fn as_many_organisations_as_the_operator_says_end_a_trust() {
    let world = World::new(2).await;
    let (anna, bo) = (address("anna@ours.example"), address("bo@ours.example"));
    let carl = address("carl@theirs.example");
    world.trust(&proved(), &ours()).await;
    let flags = &world.flags;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    flags.flag(&proved(), &ours(), &bo, FlagBy::Person, None).await.unwrap();
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Trusted, "one organisation");
    flags.flag(&proved(), &theirs(), &carl, FlagBy::Person, None).await.unwrap();
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Revoked);

    flags.undo(&proved(), &ours(), &anna).await.unwrap();
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Revoked, "bo objects still");
    flags.undo(&proved(), &theirs(), &carl).await.unwrap();
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Trusted, "one is left");
}

#[tokio::test]
async fn who_else_objects_answers_for_the_end_of_the_trust() {
    let world = World::new(1).await;
    let (anna, bo) = (address("anna@ours.example"), address("bo@ours.example"));
    world.trust(&proved(), &ours()).await;
    let flags = &world.flags;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    flags.flag(&proved(), &ours(), &bo, FlagBy::Person, None).await.unwrap();
    flags.undo(&proved(), &ours(), &anna).await.unwrap();
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Revoked);
    flags.undo(&proved(), &ours(), &bo).await.unwrap();
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Trusted);
}

#[tokio::test]
async fn a_second_revocation_leaves_only_the_appeal() {
    let world = World::new(1).await;
    let (anna, bo) = (address("anna@ours.example"), address("bo@ours.example"));
    let flags = &world.flags;
    world.trust(&proved(), &ours()).await;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    world.trust(&proved(), &theirs()).await;
    assert_eq!(world.regard(&proved(), &ours()).await, Regard::Trusted, "a second chance");
    flags.flag(&proved(), &ours(), &bo, FlagBy::Person, None).await.unwrap();
    assert_eq!(world.regard(&proved(), &theirs()).await, Regard::Barred);
    assert_eq!(world.flags.of_recipient(&ours(), &bo, 10).await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_own_block_stays_when_the_flag_is_undone() {
    let world = World::new(1).await;
    let anna = address("anna@ours.example");
    let block = pattern(&proved(), &address("kari@far.example"));
    world.people.set_rule(&ours(), Some(&anna), block, RuleAction::Block).await.unwrap();
    let flags = &world.flags;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    flags.undo(&proved(), &ours(), &anna).await.unwrap();
    assert!(world.blocks(&anna, &proved()));
}

#[tokio::test]
async fn a_block_that_somebody_made_after_the_flag_stays_when_it_is_undone() {
    let world = World::new(1).await;
    let anna = address("anna@ours.example");
    let flags = &world.flags;
    flags.flag(&proved(), &ours(), &anna, FlagBy::Person, None).await.unwrap();
    let block = pattern(&proved(), &address("kari@far.example"));
    world.people.set_rule(&ours(), Some(&anna), block, RuleAction::Block).await.unwrap();
    flags.undo(&proved(), &ours(), &anna).await.unwrap();
    assert!(world.blocks(&anna, &proved()));
}

#[tokio::test]
async fn with_nothing_proved_only_the_network_s_standing_in_the_house_ends() {
    let world = World::new(1).await;
    let anna = address("anna@ours.example");
    let (unproved, honest) = (sender(Proofs::NONE), proved());
    world.trust(&unproved, &ours()).await;
    world.trust(&honest, &ours()).await;
    world.flags.flag(&unproved, &ours(), &anna, FlagBy::Person, None).await.unwrap();
    assert_eq!(world.regard(&unproved, &ours()).await, Regard::Revoked);
    assert_eq!(world.regard(&honest, &ours()).await, Regard::Trusted);
    assert!(!world.blocks(&anna, &honest));
    let nobody = Sender { address: None, ..proved() };
    let flagged = world.flags.flag(&nobody, &ours(), &anna, FlagBy::Person, None).await;
    assert_eq!(flagged, Err(FlagError::Nobody));
}
