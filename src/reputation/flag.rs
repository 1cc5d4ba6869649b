//! Flags: a recipient says "spam" (DESIGN section 2.4).
//!
//! A flag blocks that identity for that recipient at once. One that a person
//! made speaks for his organisation too: when enough organisations object to
//! a trusted sender, his trust ends everywhere. One that a machine made (moved
//! to Junk, an ARF complaint) acts for its recipient only. The same person may
//! undo his for 30 days, and what it ended comes back.

use jiff::{SignedDuration, Timestamp};
use minicbor::{Decode, Encode};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::standing::{Scope, scope_of};
use super::{Event, Network, Proofs, Reputation, Sender, Standing, StandingState, Vote};
use crate::clock::Clock;
use crate::directory::{OrganisationId, Pattern, People, RuleAction, StoredRule};
use crate::mail::Address;
use crate::maillog::Maillog;
use crate::store::{Batch, Fault, Index, Record, Row, Store, Table};

/// How long a flag may be undone by who made it.
pub const UNDOABLE: SignedDuration = SignedDuration::from_hours(30 * 24);
/// How often a decision is made again when another came first.
const TRIES: usize = 8;
/// Flags against one sender that are looked at.
const LOOKED_AT: usize = 10_000;

/// Who flagged. The numbers stand on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum FlagBy {
    /// Page, digest, report address, administrator.
    #[n(0)]
    Person,
    /// Moved to Junk, ARF complaint.
    #[n(1)]
    Machine,
}

/// One recipient's flag against one identity.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub struct Flag {
    /// The sender's base address.
    #[n(0)]
    pub address: Address,
    #[n(1)]
    pub proofs: Proofs,
    #[n(2)]
    pub network: Network,
    #[n(3)]
    pub organisation: OrganisationId,
    /// The recipient's mailbox.
    #[n(4)]
    pub recipient: Address,
    #[n(5)]
    pub by: FlagBy,
    #[cbor(n(6), with = "crate::store::record::micros")]
    pub at: Timestamp,
    /// The held message that showed it to him, if one did.
    #[n(7)]
    #[cbor(with = "minicbor::bytes")]
    pub about: Option<[u8; 16]>,
    #[cbor(n(8), with = "crate::store::record::maybe_micros")]
    pub undone_at: Option<Timestamp>,
    /// How often the sender had been revoked before.
    #[n(9)]
    pub round: u16,
    /// This flag ended a trust; what it was.
    #[n(10)]
    pub ended: Option<StandingState>,
    /// This flag made the recipient's block.
    #[n(11)]
    pub blocked: bool,
}

/// Why a flag was not made or not undone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlagError {
    #[error("the message names no single sender, so that nobody can be flagged")]
    Nobody,
    #[error("there is no such flag, or it is older than 30 days")]
    Gone,
    #[error(transparent)]
    Store(#[from] Fault),
}

/// Carries flags out. Clones share everything.
#[derive(Clone)]
pub struct Flags {
    store: Store,
    clock: Clock,
    people: People,
    reputation: Reputation,
    maillog: Maillog,
}

impl Flag {
    pub fn stands(&self) -> bool {
        self.undone_at.is_none()
    }

    pub fn may_be_undone(&self, now: Timestamp) -> bool {
        self.stands() && now.duration_since(self.at) < UNDOABLE
    }

    pub fn sender(&self) -> Sender {
        Sender { address: Some(self.address.clone()), proofs: self.proofs, network: self.network }
    }

    fn scope(&self) -> Scope {
        scope_of(&self.sender(), &self.organisation)
    }

    fn pattern(&self) -> Pattern {
        pattern(&self.sender(), &self.address)
    }

    /// What it tells the content model, if a message is known.
    fn vote(&self, now: Timestamp) -> Option<Vote> {
        let about = Uuid::from_bytes(self.about?);
        Some(Vote::of_flag(about, &self.recipient, self.by == FlagBy::Machine, now))
    }

    fn counts(&self) -> bool {
        self.stands() && self.by == FlagBy::Person
    }
}

impl Record for Flag {
    const TABLE: Table = Table::Flag;

    /// Hashes: an identity and a recipient are longer than a key may be.
    fn key(&self) -> Vec<u8> {
        let mut key = sender_key(&self.address, &self.scope());
        key.extend_from_slice(&recipient_key(&self.organisation, &self.recipient));
        key
    }

    fn index_keys(&self) -> Vec<(Index, Vec<u8>)> {
        let key = recipient_key(&self.organisation, &self.recipient);
        vec![(Index::FlagByRecipient, key)]
    }
}

impl Flags {
    pub fn new(
        store: Store,
        clock: Clock,
        people: People,
        reputation: Reputation,
        maillog: Maillog,
    ) -> Self {
        Self { store, clock, people, reputation, maillog }
    }

    /// `recipient` flags `sender`, whose message `about` he saw. Flagging
    /// twice is flagging once; a person's word counts where a machine's stood.
    ///
    /// # Errors
    /// [`FlagError`].
    pub async fn flag(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
        by: FlagBy,
        about: Option<Uuid>,
    ) -> Result<Flag, FlagError> {
        let address = sender.address.as_ref().ok_or(FlagError::Nobody)?.base();
        let fresh = Flag {
            address,
            proofs: sender.proofs,
            network: sender.network,
            organisation: organisation.clone(),
            recipient: self.people.directory().mailbox(recipient),
            by,
            at: self.clock.now(),
            about: about.map(Uuid::into_bytes),
            undone_at: None,
            round: 0,
            ended: None,
            blocked: false,
        };
        for _ in 0..TRIES {
            let row: Option<Row<Flag>> = self.store.find(&fresh.key()).await?;
            if let Some(row) = &row
                && row.record.stands()
                && (row.record.by == FlagBy::Person || by == FlagBy::Machine)
            {
                return Ok(row.record.clone());
            }
            if let Some(flag) = self.flag_once(fresh.clone(), row.as_ref()).await? {
                if by == FlagBy::Person {
                    self.reputation.history().note(sender, Event::Flagged);
                }
                let word = if by == FlagBy::Person { "person" } else { "machine" };
                self.maillog.flagged(organisation.as_str(), word, flag.ended.is_some());
                return Ok(flag);
            }
        }
        Err(contended())
    }

    /// `None`: another change came first.
    async fn flag_once(
        &self,
        mut flag: Flag,
        row: Option<&Row<Flag>>,
    ) -> Result<Option<Flag>, FlagError> {
        let mut batch = Batch::new();
        let mut changes = Vec::new();
        let rule = self.people.rule(
            &flag.organisation,
            Some(&flag.recipient),
            flag.pattern(),
            RuleAction::Block,
        );
        let standing_rule: Option<Row<StoredRule>> = self.store.find(&rule.key()).await?;
        let his_own = standing_rule
            .is_some_and(|row| row.record.action == RuleAction::Block && !row.record.by_flag);
        if !his_own {
            let rule = StoredRule { by_flag: true, ..rule };
            changes.push(self.people.put_rule(&mut batch, rule).await?);
            flag.blocked = true;
        }
        let sender = flag.sender();
        let standing = self.reputation.standing(&sender, &flag.organisation).await?;
        let earned = |one: &Standing| {
            // Trust that was earned with another proof is not this sender's.
            let his = one.scope != Scope::Everywhere || one.proofs.shares(sender.proofs);
            his && matches!(one.state, StandingState::Probation | StandingState::Trusted)
        };
        if let Some(standing) = &standing {
            flag.round = standing.record.revocations;
            if flag.by == FlagBy::Person && earned(&standing.record) {
                let objecting = self.objecting(&flag).await?;
                if objecting.len() >= self.reputation.flags_to_revoke() {
                    flag.ended = Some(standing.record.state);
                    self.reputation.revoke(&mut batch, &sender, &flag.organisation).await?;
                } else {
                    batch.require(standing);
                }
            }
        }
        if let Some(vote) = flag.vote(flag.at) {
            batch.insert(&vote);
        }
        batch.upsert(row, &flag);
        Ok(self.people.commit(batch, changes).await?.then_some(flag))
    }

    /// The organisations that object to this sender since his last
    /// revocation, with that of `flag`.
    async fn objecting(&self, flag: &Flag) -> Result<Vec<OrganisationId>, Fault> {
        let mut all = vec![flag.organisation.clone()];
        for row in self.against(&flag.address, &flag.scope()).await? {
            let one = row.record;
            if one.counts() && one.round >= flag.round && !all.contains(&one.organisation) {
                all.push(one.organisation);
            }
        }
        Ok(all)
    }

    /// Ends a flag: the block that it made goes, and the trust that it ended
    /// comes back unless others object as well.
    ///
    /// # Errors
    /// [`FlagError::Gone`] if there is none that may be undone.
    pub async fn undo(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Flag, FlagError> {
        for _ in 0..TRIES {
            let now = self.clock.now();
            let row = self.row(sender, organisation, recipient).await?;
            let row = row.filter(|row| row.record.may_be_undone(now)).ok_or(FlagError::Gone)?;
            if let Some(flag) = self.undo_once(&row, now).await? {
                self.maillog.flag_undone(organisation.as_str());
                return Ok(flag);
            }
        }
        Err(contended())
    }

    async fn undo_once(&self, row: &Row<Flag>, now: Timestamp) -> Result<Option<Flag>, FlagError> {
        let mut flag = row.record.clone();
        flag.undone_at = Some(now);
        let mut batch = Batch::new();
        let mut changes = Vec::new();
        if flag.blocked {
            let rule = self.people.rule(
                &flag.organisation,
                Some(&flag.recipient),
                flag.pattern(),
                RuleAction::Block,
            );
            changes.extend(self.people.drop_rule(&mut batch, &rule).await?);
        }
        if let Some(before) = flag.ended.take() {
            self.give_back(&mut batch, row, before, now).await?;
        }
        if let Some(vote) = flag.vote(now) {
            batch.insert(&vote.withdrawn());
        }
        batch.update(row, &flag);
        Ok(self.people.commit(batch, changes).await?.then_some(flag))
    }

    /// The trust comes back, or another flag answers for its end.
    async fn give_back(
        &self,
        batch: &mut Batch,
        undone: &Row<Flag>,
        before: StandingState,
        now: Timestamp,
    ) -> Result<(), Fault> {
        let flag = &undone.record;
        let mut others: Vec<Row<Flag>> = Vec::new();
        for other in self.against(&flag.address, &flag.scope()).await? {
            let same = other.record.key() == flag.key();
            let known =
                others.iter().any(|one| one.record.organisation == other.record.organisation);
            if !same && !known && other.record.counts() && other.record.round >= flag.round {
                others.push(other);
            }
        }
        if others.len() >= self.reputation.flags_to_revoke() {
            let other = &others[0];
            let mut heir = other.record.clone();
            (heir.ended, heir.round) = (Some(before), flag.round);
            batch.update(other, &heir);
            return Ok(());
        }
        let row = self.reputation.standing(&flag.sender(), &flag.organisation).await?;
        let ours = |row: &Row<Standing>| {
            let state = matches!(row.record.state, StandingState::Revoked | StandingState::Barred);
            state && row.record.revocations == flag.round + 1
        };
        if let Some(row) = row.filter(ours) {
            let mut standing = row.record.clone();
            standing.state = before;
            standing.revocations = flag.round;
            standing.since = now;
            batch.update(&row, &standing);
        }
        Ok(())
    }

    /// The flag of this recipient against this sender, undone or not.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn find(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Option<Flag>, Fault> {
        Ok(self.row(sender, organisation, recipient).await?.map(|row| row.record))
    }

    /// What a recipient flagged, at most `limit`.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn of_recipient(
        &self,
        organisation: &OrganisationId,
        recipient: &Address,
        limit: usize,
    ) -> Result<Vec<Flag>, Fault> {
        let mailbox = self.people.directory().mailbox(recipient);
        let prefix = recipient_key(organisation, &mailbox);
        let mut flags = Vec::new();
        for key in self.store.referred_by(Index::FlagByRecipient, &prefix, limit).await? {
            flags.extend(self.store.find::<Flag>(&key).await?.map(|row| row.record));
        }
        flags.sort_by_key(|flag| std::cmp::Reverse(flag.at));
        Ok(flags)
    }

    /// Every flag against a sender in this scope.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read.
    pub async fn against(&self, address: &Address, scope: &Scope) -> Result<Vec<Row<Flag>>, Fault> {
        let from = Flag::TABLE.key(&sender_key(address, scope));
        let mut to = from.clone();
        to.extend_from_slice(&[0xff; 17]);
        let rows = self.store.scan(&from, &to, LOOKED_AT).await?;
        rows.into_iter().map(|(_, value)| Row::read(value)).collect()
    }

    async fn row(
        &self,
        sender: &Sender,
        organisation: &OrganisationId,
        recipient: &Address,
    ) -> Result<Option<Row<Flag>>, Fault> {
        let Some(address) = &sender.address else { return Ok(None) };
        let mailbox = self.people.directory().mailbox(recipient);
        let mut key = sender_key(&address.base(), &scope_of(sender, organisation));
        key.extend_from_slice(&recipient_key(organisation, &mailbox));
        self.store.find(&key).await
    }
}

/// What blocks this identity.
pub fn pattern(sender: &Sender, address: &Address) -> Pattern {
    let address = address.base();
    if sender.is_proved() {
        Pattern::Proved(address)
    } else {
        Pattern::Unproved { address, network: sender.network }
    }
}

fn sender_key(address: &Address, scope: &Scope) -> Vec<u8> {
    Sha256::digest(Standing::key_of(address, scope))[..16].to_vec()
}

fn recipient_key(organisation: &OrganisationId, recipient: &Address) -> Vec<u8> {
    Sha256::digest(format!("{organisation}\0{recipient}"))[..16].to_vec()
}

fn contended() -> FlagError {
    FlagError::Store(Fault::Unavailable("the flag changes too fast; try again".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{Claim, sample};
    use crate::reputation::Proof;
    use crate::reputation::standing::{Regard, Settings};

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
}
