//! A group in which somebody works for the server, and groups that were never made.

use anyhow::Result;
use e2e::Person;
use e2e::proxy::{Counterfeit, Puppet, Script, WireClient, tricks};
use mls::{Group, Policy};
use types::wire::client_frame::Body as Ask;
use types::wire::server_frame::Body as Say;
use types::wire::{self, Ended, ServerFrame, Submit, Tree, submit};
use types::{ConversationId, LogId, Suite};

use crate::town::{Town, group, news};

/// Of every group here.
pub(crate) const SUITE: Suite = Suite::Hybrid;

/// A group of anna, boris and somebody whose keys the test holds.
pub(crate) struct Yard {
    pub(crate) town: Town,
    pub(crate) anna: Person,
    pub(crate) boris: Person,
    pub(crate) mallory: Puppet,
    pub(crate) wire: WireClient,
    /// As mallory's device has it.
    pub(crate) group: Group,
    pub(crate) id: String,
}

impl Yard {
    pub(crate) fn with(mallory: Puppet) -> Result<Self> {
        let (town, [anna, boris]) = Town::with(["anna", "boris"])?;
        let mut wire = mallory.register(town.server.url())?;
        let id = group(&anna, &["boris", "mallory"])?;
        let (mut group, after) = mallory.join(&mut wire)?;
        mallory.follow(&mut wire, &mut group, after)?;
        assert_eq!(news(&boris)?, ["<joined>", "<renamed>"]);
        Ok(Self {
            town,
            anna,
            boris,
            mallory,
            wire,
            group,
            id,
        })
    }

    pub(crate) fn conversation(&self) -> ConversationId {
        self.group.id()
    }
}

/// A server that gives this tree and this group to whoever asks for one, and takes in what boris commits there.
pub(crate) fn offers(offer: wire::Group) -> Script {
    let mut accept = tricks::accept_for_the_sender("boris", is_commit);
    let mut give = tricks::reply(move |_, asked| match asked {
        Ask::FetchGroup(_) => Some(Say::Group(offer.clone())),
        Ask::FetchTree(_) => Some(Say::Tree(Tree {
            ratchet_tree: offer.ratchet_tree.clone(),
        })),
        _ => None,
    });
    Script::honest().on_ask(move |stage, from, frame| match &frame.body {
        Some(Ask::Submit(_)) => accept(stage, from, frame),
        _ => give(stage, from, frame),
    })
}

pub(crate) fn is_commit(submit: &Submit) -> bool {
    matches!(submit.content, Some(submit::Content::Commit(_)))
}

/// From now on the server says, and says nothing else, that boris is not in the conversation any more.
pub(crate) fn say_it_is_over(yard: &Yard) {
    let log = LogId::Conversation(yard.conversation()).to_wire();
    let script = Script::honest().on_entry(tricks::leave_out("boris", |_| true));
    yard.town.proxy.play(script.on_answer(move |_, to, frame| {
        let is_subscribed = to.is("boris") && matches!(frame.body, Some(Say::Subscribed(_)));
        let ended = Say::Ended(Ended {
            log: Some(log.clone()),
        });
        let ended = ServerFrame {
            id: 0,
            body: Some(ended),
        };
        let mut frames = vec![frame.into()];
        frames.extend(is_subscribed.then(|| ended.into()));
        frames
    }));
}

/// A group under a known id, with these people's leaves in it.
pub(crate) struct MadeUp {
    pub(crate) group: Counterfeit,
    /// For the first of them.
    pub(crate) welcome: wire::EntryBody,
}

/// Makes one that is in this epoch.
pub(crate) fn made_up_group(
    maker: &Puppet,
    wire: &mut WireClient,
    id: ConversationId,
    epoch: u64,
    members: &[&str],
) -> Result<MadeUp> {
    let adds = maker.claim(wire, members, SUITE)?;
    let policy = Policy::group(maker.address().clone());
    let mut group = Counterfeit::begin(maker, id, SUITE, &policy)?;
    group.age(epoch - 1)?;
    let bundle = group.commit(&adds)?;
    let welcome = group.welcome(&bundle, 1_000)?;
    Ok(MadeUp { group, welcome })
}
