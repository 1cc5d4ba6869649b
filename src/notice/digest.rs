//! The digest: a letter to a recipient about what was held for him, with a
//! link for each message that shows a page first.
//!
//! Most likely wanted first; nothing from senders that he or his organisation
//! blocks, and malware never. Digests are due by the hour, day or week as each
//! recipient chose; one that has nothing to tell is not written.

use futures_util::stream::{self, TryStreamExt};
use uuid::Uuid;

use super::Notices;
use super::budget::take_lost;
use super::letter::Frame;
use super::recipient_letter as letter;
use crate::clock::{SignedDuration, Timestamp};
use crate::directory::{Organisation, Recipient, RuleAction};
use crate::filter::Class;
use crate::link::{Purpose, Token};
use crate::mail::{Address, ReversePath};
use crate::quarantine::{Held, State, mailbox};
use crate::queue::{Draft, Kind};
use crate::store::{Batch, Fault, Index, Refusal, Row};

/// Messages that are looked at for one digest, the latest.
const LOOKED_AT: usize = 500;
/// Messages that one digest lists.
const LISTED: usize = 50;
/// How often a digest is made again when its recipient changed meanwhile.
const TRIES: usize = 8;
/// Digests that are made side by side.
const ABREAST: usize = 32;
/// How long a digest's links lead to the recipient's own page.
const WELCOME: SignedDuration = SignedDuration::from_hours(7 * 24);
const MILLISECOND: SignedDuration = SignedDuration::from_millis(1);
/// How long the link of an invitation does.
const INVITED: SignedDuration = SignedDuration::from_hours(1);

/// A message in a digest.
pub(super) struct Entry {
    pub held: Held,
    pub slot: usize,
    /// The page of this message.
    pub link: String,
}

impl Entry {
    /// Newsletters, offers and the like stand behind personal mail.
    pub fn is_bulk(&self) -> bool {
        let class = self.held.recipients[self.slot].class;
        matches!(class, Class::Marketing | Class::Poll | Class::Social | Class::Mass)
    }
}

impl Notices {
    /// Writes the digests that are due, at most `limit`; answers how many
    /// recipients it looked at.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn digest_step(&self, limit: usize) -> Result<usize, Fault> {
        if self.people().is_none() {
            return Ok(0);
        }
        let now = self.now();
        let store = &self.inner.tools.store;
        // What is due at this very microsecond is due.
        let due = Recipient::due_key(now + SignedDuration::from_micros(1));
        let due = store.referred(Index::RecipientDue, &[], &due, limit).await?;
        let count = due.len();
        stream::iter(due.into_iter().map(Ok::<_, Fault>))
            .try_for_each_concurrent(ABREAST, |key| async move {
                let row: Option<Row<Recipient>> = self.inner.tools.store.find(&key).await?;
                if let Some(row) = row {
                    // Who changed his settings meanwhile is due in the next step.
                    self.digest(&row, now, &|_| {}).await?;
                }
                Ok(())
            })
            .await?;
        if count > 0 {
            self.inner.tools.queue.wake();
        }
        Ok(count)
    }

    /// Writes a recipient's digest now, if there is anything to tell that no
    /// digest told yet; `false` if not. `also` adds what belongs to the
    /// decision, and is written either way.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn digest_now(
        &self,
        address: &Address,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<bool, Fault> {
        let Some(people) = self.people() else { return Ok(false) };
        let Some(known) = people.known(address).await? else { return Ok(false) };
        for _ in 0..TRIES {
            let Some(row) = people.find(&known.address).await? else { return Ok(false) };
            if let Some(written) = self.digest(&row, self.now(), also).await? {
                self.inner.tools.queue.wake();
                return Ok(written);
            }
        }
        Err(Fault::Unavailable("the recipient changes too fast; try again".to_owned()))
    }

    /// One recipient: his letter, and when the next is due, in one batch.
    /// `None`: he was changed meanwhile, and nothing was written.
    async fn digest(
        &self,
        row: &Row<Recipient>,
        now: Timestamp,
        also: &(dyn Fn(&mut Batch) + Sync),
    ) -> Result<Option<bool>, Fault> {
        let Some(people) = self.people() else { return Ok(Some(false)) };
        let tools = &self.inner.tools;
        let mut recipient = row.record.clone();
        recipient.digest_at = people.next_digest(&recipient, now);
        let mut batch = Batch::new();
        let organisation = tools.directory.organisation(&recipient.organisation);
        let mut written = false;
        let mut told_until = now;
        if let Some(organisation) = organisation {
            let (entries, more) = self.entries(&recipient, &organisation).await?;
            // The clock of their ids may be ahead of ours.
            let latest = entries.iter().filter_map(|entry| came_at(&entry.held)).max();
            told_until = latest.map_or(now, |latest| now.max(latest + MILLISECOND));
            if !entries.is_empty() {
                self.write_digest(&mut batch, &recipient, &organisation, &entries, more);
                written = true;
            }
        }
        recipient.told_until = told_until;
        batch.update(row, &recipient).patient();
        also(&mut batch);
        match tools.store.commit(batch).await {
            Ok(_) => Ok(Some(written)),
            Err(Refusal::Conflict(_)) => Ok(None),
            Err(refusal) => Err(Fault::Unavailable(refusal.to_string())),
        }
    }

    /// What a digest tells: held since the last, the most likely wanted
    /// first; and how many more there are.
    async fn entries(
        &self,
        recipient: &Recipient,
        organisation: &Organisation,
    ) -> Result<(Vec<Entry>, usize), Fault> {
        let tools = &self.inner.tools;
        let addresses: Vec<Address> = recipient.addresses().cloned().collect();
        let since = recipient.told_until;
        let all = mailbox::messages(&tools.store, &addresses, since, LOOKED_AT).await?;
        let mut entries = Vec::new();
        for held in all {
            let slot = held.recipients.iter().position(|one| {
                one.state == State::Held
                    && one.is_shown()
                    && addresses.contains(&one.address.base())
            });
            let Some(slot) = slot else { continue };
            let (sender, senders) = (held.sender(), held.senders());
            let claim = sender.claim(&senders);
            let to = &held.recipients[slot].address;
            if tools.directory.rule(organisation, to, &claim) == Some(RuleAction::Block) {
                continue;
            }
            let token = Token {
                purpose: Purpose::Message,
                subject: held.id,
                slot: u16::try_from(slot).unwrap_or(u16::MAX),
                expires: held.expires_at,
            };
            let link = tools.links.url(organisation.host.as_deref(), &token);
            entries.push(Entry { held, slot, link });
        }
        entries.sort_by(|a, b| {
            let order = |one: &Entry| (one.is_bulk(), one.held.score);
            order(a).partial_cmp(&order(b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        let more = entries.len().saturating_sub(LISTED);
        entries.truncate(LISTED);
        Ok((entries, more))
    }

    /// To the recipient, or to each member of a shared mailbox.
    fn write_digest(
        &self,
        batch: &mut Batch,
        recipient: &Recipient,
        organisation: &Organisation,
        entries: &[Entry],
        more: usize,
    ) {
        let own = [recipient.address.clone()];
        let to = if recipient.members.is_empty() { &own[..] } else { &recipient.members };
        for to in to {
            let page = self.own_page(recipient, organisation, WELCOME);
            let id = Uuid::now_v7();
            let frame = self.frame(id, organisation, to);
            let language = recipient.language.as_deref();
            let zone = organisation.digest.zone();
            let bytes = letter::digest(&frame, language, entries, more, &page, &zone);
            self.post_inside(batch, &frame, bytes);
        }
    }

    /// Sends a recipient the link to his own page, if he is one; silently
    /// nothing otherwise. Call it detached from the page.
    ///
    /// # Errors
    /// [`Fault`] if the store cannot read or write.
    pub async fn invite(&self, address: &Address) -> Result<(), Fault> {
        let Some(people) = self.people() else { return Ok(()) };
        let Some(recipient) = people.known(address).await? else { return Ok(()) };
        let tools = &self.inner.tools;
        let organisation = tools.directory.organisation(&recipient.organisation);
        let Some(organisation) = organisation else { return Ok(()) };
        // Of the person, whichever of his aliases was asked for.
        let mut batch = Batch::new();
        let subject = recipient.address.base().to_string();
        let limit = self.inner.settings.lost;
        if !take_lost(&tools.store, &mut batch, &[&subject], self.now(), limit).await? {
            return Ok(());
        }
        let page = self.own_page(&recipient, &organisation, INVITED);
        let frame = self.frame(Uuid::now_v7(), &organisation, &recipient.address);
        let bytes = letter::invitation(&frame, recipient.language.as_deref(), &page);
        self.post_inside(&mut batch, &frame, bytes);
        match tools.store.commit(batch).await {
            Ok(_) => tools.queue.wake(),
            // Another letter to him is being written: one is enough.
            Err(Refusal::Conflict(_)) => {}
            Err(refusal) => return Err(Fault::Unavailable(refusal.to_string())),
        }
        Ok(())
    }

    fn own_page(
        &self,
        recipient: &Recipient,
        organisation: &Organisation,
        lasts: SignedDuration,
    ) -> String {
        let token = Token {
            purpose: Purpose::Recipient,
            subject: recipient.id,
            slot: 0,
            expires: self.now() + lasts,
        };
        self.inner.tools.links.url(organisation.host.as_deref(), &token)
    }

    /// A letter to one of our own people goes to his server at once: no
    /// budget and no proof is needed, and a bounce would help nobody.
    pub(super) fn post_inside(&self, batch: &mut Batch, frame: &Frame<'_>, bytes: Vec<u8>) {
        let tools = &self.inner.tools;
        let bytes = if tools.signer.is_able() {
            let Some(signed) = self.signed(frame.id, &bytes) else { return };
            signed
        } else {
            bytes.into()
        };
        let item = tools.queue.draft(Draft {
            kind: Kind::Letter,
            held: Uuid::nil(),
            body: frame.id,
            mail_from: ReversePath::Null,
            recipients: vec![(frame.to.clone(), crate::link::ALL_RECIPIENTS)],
            trace: String::new(),
            eight_bit: false,
            smtputf8: !frame.to.is_ascii(),
            due_at: self.now(),
        });
        self.enqueue(batch, &item, bytes);
    }
}

/// The time in a message's id (RFC 9562 section 5.7).
fn came_at(held: &Held) -> Option<Timestamp> {
    let (seconds, nanoseconds) = held.id.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::tests::World;
    use super::*;
    use crate::directory::{OrganisationId, Pattern, People};
    use crate::mail::Message;
    use crate::maillog::Maillog;
    use crate::quarantine::sample;
    use crate::queue::Item;
    use crate::reputation::{Flags, Reputation, standing};
    use crate::store::{Record, Store};

    async fn serving(world: &World, store: &Store) -> People {
        let tools = &world.notices.inner.tools;
        let clock = world.clock.clone();
        let people = People::open(store.clone(), clock.clone(), tools.directory.clone());
        let people = people.await.unwrap();
        let settings = standing::Settings::default();
        let reputation = Reputation::new(store.clone(), clock.clone(), settings);
        let flags =
            Flags::new(store.clone(), clock, people.clone(), reputation, Maillog::default());
        world.notices.serve_recipients(people.clone(), flags);
        people
    }

    fn ours() -> OrganisationId {
        OrganisationId::new("ours").unwrap()
    }

    async fn hold(world: &World, to: &str, change: impl FnOnce(&mut Held)) {
        let mut held = sample::held(&[to], world.clock.now());
        // Ids carry the time of the world's clock.
        let millis = u64::try_from(world.clock.now().as_millisecond()).unwrap();
        held.id = uuid::Builder::from_unix_timestamp_millis(millis, &[held.id.as_bytes()[15]; 10])
            .into_uuid();
        change(&mut held);
        let mut batch = Batch::new();
        batch.insert(&held);
        world.store.commit(batch).await.unwrap();
    }

    async fn letters(world: &World) -> Vec<Message> {
        let mut all = Vec::new();
        for row in world.store.page::<Item>(&[], 100).await.unwrap() {
            let body = world.store.body(row.record.body).await.unwrap().unwrap();
            all.push(Message::new(body));
        }
        all
    }

    fn text(letter: &Message) -> String {
        let parsed = mail_parser::MessageParser::default().parse(&letter.bytes()[..]).unwrap();
        parsed.body_text(0).unwrap().into_owned()
    }

    #[tokio::test]
    async fn l_22_three_letters_an_hour_invite_a_person_by_all_his_names() {
        let world = World::new();
        let people = serving(&world, &world.store).await;
        let anna = Address::parse("anna@ours.example").unwrap();
        people.of(&anna, &ours()).await.unwrap();
        for tag in ["", "+a", "+b", "+c", "+d"] {
            let asked = Address::parse(&format!("anna{tag}@ours.example")).unwrap();
            world.notices.invite(&asked).await.unwrap();
        }
        assert_eq!(letters(&world).await.len(), 3);
        world.clock.advance(SignedDuration::from_hours(1));
        world.notices.invite(&anna).await.unwrap();
        assert_eq!(letters(&world).await.len(), 4);
        let nobody = Address::parse("nobody@ours.example").unwrap();
        world.notices.invite(&nobody).await.unwrap();
        assert_eq!(letters(&world).await.len(), 4, "only to who is one of ours");
    }

    #[tokio::test]
    async fn the_most_likely_wanted_come_first_and_the_blocked_never() {
        let world = World::new();
        let people = serving(&world, &world.store).await;
        let anna = Address::parse("anna@ours.example").unwrap();
        people.of(&anna, &ours()).await.unwrap();
        let named = |subject: &'static str, score: f32, class: Class| {
            move |held: &mut Held| {
                held.subject = subject.to_owned();
                held.score = score;
                held.recipients[0].class = class;
                held.id = Uuid::from_u128(held.id.as_u128() ^ u128::from(subject.as_bytes()[0]));
            }
        };
        hold(&world, "anna@ours.example", named("Newsletter", 0.0, Class::Marketing)).await;
        hold(&world, "anna@ours.example", named("Perhaps", 9.0, Class::Unwanted)).await;
        hold(&world, "Anna+x@ours.example", named("Likely", 1.0, Class::FirstContact)).await;
        hold(&world, "anna@ours.example", named("Virus", 0.0, Class::Malware)).await;
        hold(&world, "anna@ours.example", |held| {
            named("Blocked", 0.0, Class::Unwanted)(held);
            let from = Address::parse("pest@far.example").unwrap();
            held.rfc5322_from = Some(from.clone());
            held.rfc5321_mail_from = ReversePath::Address(from);
        })
        .await;
        hold(&world, "bo@ours.example", named("Others", 0.0, Class::Unwanted)).await;
        let pest = Pattern::Address(Address::parse("pest@far.example").unwrap());
        people.set_rule(&ours(), Some(&anna), pest, RuleAction::Block).await.unwrap();

        assert_eq!(world.notices.digest_step(10).await, Ok(0), "nothing is due yet");
        world.clock.advance(SignedDuration::from_hours(24));
        assert_eq!(world.notices.digest_step(10).await, Ok(1));
        assert_eq!(world.notices.digest_step(10).await, Ok(0), "once a day");
        let letters = letters(&world).await;
        assert_eq!(letters.len(), 1);
        assert_eq!(letters[0].text("Subject").as_deref(), Some("3 messages were held for you"));
        let text = text(&letters[0]);
        let places: Vec<_> = ["Likely", "Perhaps", "Newsletters, offers", "* Newsletter"]
            .map(|word| text.find(word).unwrap_or_else(|| panic!("{word} in {text}")))
            .into();
        assert!(places.is_sorted(), "{text}");
        for never in ["Virus", "Blocked", "Others"] {
            assert!(!text.contains(never), "{never} in {text}");
        }
        assert!(
            text.contains("https://mail.example/d/") && text.contains("https://mail.example/me/")
        );
    }

    #[tokio::test]
    async fn what_is_asked_for_goes_with_what_is_said_of_it_or_not_at_all() {
        let world = World::new();
        let people = serving(&world, &world.store).await;
        let anna = Address::parse("anna@ours.example").unwrap();
        let known = people.of(&anna, &ours()).await.unwrap();
        hold(&world, "anna@ours.example", |_| {}).await;
        let taken = |batch: &mut Batch| {
            batch.require_absent::<Recipient>(&known.key());
        };
        assert!(world.notices.digest_now(&anna, &taken).await.is_err());
        assert_eq!(letters(&world).await.len(), 0, "nothing is sent unsaid");
        let told = std::sync::atomic::AtomicUsize::new(0);
        let also = |_: &mut Batch| {
            told.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        };
        assert_eq!(world.notices.digest_now(&anna, &also).await, Ok(true));
        assert_eq!(world.notices.digest_now(&anna, &also).await, Ok(false), "nothing is new");
        assert_eq!(letters(&world).await.len(), 1);
        assert_eq!(told.into_inner(), 2, "said either way");
    }

    /// The figure of issue 5: 10,000 recipients in less than a minute.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "measures; run it with --release"]
    async fn ten_thousand_digests() {
        let world = World::new();
        let people = serving(&world, &world.store).await;
        for number in 0..10_000u32 {
            let to = format!("r{number}@ours.example");
            people.of(&Address::parse(&to).unwrap(), &ours()).await.unwrap();
            let mut held = sample::held(&[&to], world.clock.now());
            held.subject = format!("Message {number}");
            let mut batch = Batch::new();
            batch.insert(&held);
            world.store.commit(batch).await.unwrap();
        }
        world.clock.advance(SignedDuration::from_hours(24));
        let begun = std::time::Instant::now();
        let mut done = 0;
        loop {
            match world.notices.digest_step(500).await.unwrap() {
                0 => break,
                some => done += some,
            }
        }
        println!("{done} digests in {:.1} s", begun.elapsed().as_secs_f64());
    }
}
