//! `veche group`.

use std::io::Write;

use engine::{Answer, Command, GroupChange};
use mls::Role;
use types::{Address, ConversationId};

use super::{End, ask_and_say, group_rules, show, unexpected};
use crate::cli::args::Group;
use crate::cli::failure::Failure;
use crate::cli::names;
use crate::cli::object::Object;
use crate::cli::output::Output;
use crate::cli::session::{Outcome, Session};

pub(super) async fn run<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    group: Group,
) -> Result<End, Failure> {
    let me = session.me().await?;
    match group {
        Group::Create { name, members } => {
            let members = names::people(&members, &me)?;
            create(session, output, name, members).await
        }
        Group::Add {
            conversation,
            members,
        } => {
            let conversation = find(session, &conversation, &me).await?;
            let members = names::people(&members, &me)?;
            let said = format!("added {}", list(&members));
            let command = Command::Add {
                conversation,
                members,
            };
            ask_and_say(session, output, command, said).await
        }
        Group::Remove {
            conversation,
            members,
        } => {
            let conversation = find(session, &conversation, &me).await?;
            let members = names::people(&members, &me)?;
            let said = format!("removed {}", list(&members));
            let command = Command::Remove {
                conversation,
                members,
            };
            ask_and_say(session, output, command, said).await
        }
        Group::Leave { conversation, quiet } => {
            let conversation = find(session, &conversation, &me).await?;
            let said = "you are leaving; the device of somebody who stays completes it";
            let command = match quiet {
                true => Command::Group {
                    conversation,
                    change: GroupChange::LeaveQuietly,
                },
                false => Command::Leave { conversation },
            };
            ask_and_say(session, output, command, said).await
        }
        Group::Rules(rules) => group_rules::run(session, output, rules).await,
        Group::Promote {
            conversation,
            member,
            owner,
        } => {
            let role = if owner { Role::Owner } else { Role::Admin };
            set_role(session, output, (&conversation, &member), role).await
        }
        Group::Demote { conversation, member } => {
            set_role(session, output, (&conversation, &member), Role::Member).await
        }
    }
}

async fn create<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    name: String,
    members: Vec<Address>,
) -> Result<End, Failure> {
    match session.ask(Command::CreateGroup { name, members }).await? {
        Outcome::Queued(queued) => Ok(End::Queued(queued)),
        Outcome::Answered(Answer::Created { conversation }) => {
            let conversation = conversation.to_string();
            show(output, &Object::Created { conversation })?;
            Ok(End::Done)
        }
        Outcome::Answered(answer) => Err(unexpected(&answer)),
    }
}

async fn set_role<W: Write>(
    session: &mut Session,
    output: &mut Output<W>,
    (conversation, member): (&str, &str),
    role: Role,
) -> Result<End, Failure> {
    let me = session.me().await?;
    let conversation = find(session, conversation, &me).await?;
    let member = names::person(member, &me)?;
    let said = match role {
        Role::Member => format!("{member} is a plain member now"),
        Role::Admin => format!("{member} is an admin now"),
        Role::Owner => format!("{member} is an owner now"),
    };
    let command = Command::SetRole {
        conversation,
        member,
        role,
    };
    ask_and_say(session, output, command, said).await
}

async fn find(session: &Session, conversation: &str, me: &Address) -> Result<ConversationId, Failure> {
    names::conversation(conversation, me, &session.client.conversations().await?)
}

fn list(members: &[Address]) -> String {
    members
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
