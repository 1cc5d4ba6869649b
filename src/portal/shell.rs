//! What an organisation's pages share in one language: links to their files,
//! the head with name and logo, the foot with sentence and contact.
//!
//! Written once and kept beside the organisation that it was written of: the
//! directory puts a new one in its place with every change, so what is kept
//! of another is never shown. Nothing of a visitor or a message is in it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use maud::{Markup, html};

use super::asset::Assets;
use super::part::{self, Brand};
use super::path::Path;
use super::words::{Shown, Words};
use crate::directory::{Organisation, OrganisationId};

/// Organisations times languages; more are written anew each time.
const MOST: usize = 4096;

/// One organisation's pages in one language, or those of none.
pub struct Shell {
    pub links: Markup,
    pub header: Markup,
    pub foot: Markup,
}

type Key = (Option<OrganisationId>, usize);
type Kept = (Option<Arc<Organisation>>, Arc<Shell>);

/// The shells that were written.
#[derive(Default)]
pub struct Shells(RwLock<HashMap<Key, Kept>>);

impl Shells {
    /// The shell of this brand's pages, as it would be written now.
    pub fn of(&self, brand: &Brand, words: &Words, assets: &Assets) -> Arc<Shell> {
        let organisation = brand.organisation();
        let key = (organisation.map(|one| one.id.clone()), words.place());
        let same = |kept: &Option<Arc<Organisation>>| match (kept, organisation) {
            (Some(kept), Some(now)) => Arc::ptr_eq(kept, now),
            // The installation's own contact stays as long as the program.
            (kept, now) => kept.is_none() && now.is_none(),
        };
        let shells = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shell)) = shells.get(&key).filter(|(kept, _)| same(kept)) {
            return Arc::clone(shell);
        }
        drop(shells);
        let shell = Arc::new(Shell::write(brand, words, assets));
        let mut shells = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if shells.len() < MOST || shells.contains_key(&key) {
            shells.insert(key, (organisation.cloned(), Arc::clone(&shell)));
        }
        shell
    }
}

impl Shell {
    fn write(brand: &Brand, words: &Words, assets: &Assets) -> Self {
        let organisation = brand.organisation();
        let name = brand.name(words);
        let colour = organisation.and_then(|one| one.colour.as_deref());
        Self {
            links: part::links(assets, &assets.style, &assets.script, colour),
            header: html! {
                header {
                    @match organisation.and_then(|one| part::logo_name(one)) {
                        Some(logo) => { img.logo src=(Path::Logo(&logo)) alt=""; }
                        None => { span.mark aria-hidden="true" { (name.chars().next().unwrap_or('R')) } }
                    }
                    span.name { (name) }
                }
            },
            foot: html! {
                @if let Some(sentence) = organisation.and_then(|one| one.sentence.as_ref()) {
                    p { (Shown(sentence)) }
                }
                @if let Some(contact) = brand.contact() {
                    p { (words.say("contact")) " " (part::contact_line(words, contact)) }
                }
                nav aria-label=(words.say("foot-nav")) {
                    ul {
                        li { a href=(Path::About) { (words.say("about-link")) } }
                        li { a href=(Path::Help) { (words.say("help-link")) } }
                        li { a href=(Path::Lost) { (words.say("lost-link")) } }
                    }
                }
            },
        }
    }
}
