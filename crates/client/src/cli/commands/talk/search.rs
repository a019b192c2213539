//! `veche search`.

use std::io::Write;

use timeline::Holding;

use crate::cli::args::Search as Asked;
use crate::cli::commands::End;
use crate::cli::commands::chats::{heading, sync_or_say};
use crate::cli::failure::Failure;
use crate::cli::object::Object;
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::{moment, names};
use crate::store::Search;

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    asked: Asked,
) -> Result<End, Failure> {
    let me = session.me().await?;
    sync_or_say(session).await;
    let views = session.client.conversations().await?;
    let day = |text: &str| moment::day(text, output.zone());
    let named = asked.kind.as_deref();
    let from = asked.from.as_deref().map(|from| names::person(from, &me));
    let conversation = asked.conversation.as_deref();
    let conversation = conversation.map(|name| names::conversation(name, &me, &views));
    let search = Search {
        words: asked.query.join(" "),
        from: from.transpose()?.map(|from| from.to_string()),
        conversation: conversation.transpose()?,
        kind: Holding::ALL.into_iter().find(|kind| named == Some(kind.name())),
        since: asked
            .since
            .as_deref()
            .map(day)
            .transpose()?
            .map(|(begin, _)| begin),
        until: asked.until.as_deref().map(day).transpose()?.map(|(_, end)| end),
    };
    let found = session
        .client
        .ask_store(move |store| store.search(&search, asked.limit))
        .await?;
    if found.is_empty() {
        output.remark("nothing found")?;
    }
    for hit in found.iter().filter_map(Object::of_found) {
        if let Object::Hit(hit) = &hit
            && let Some(id) = hit.place.conversation()
        {
            output.under(&heading(id, views.iter().find(|view| view.id == id)))?;
        }
        output.show(&hit)?;
    }
    output.flush()?;
    Ok(End::Done)
}
