//! What people do, as the dice has it.

use engine::{Command, Input, Target};
use mls::{ConversationKind, Role};
use types::wire::ConversationStanding as Standing;
use types::{Address, ConversationId};

use crate::world::World;

impl World {
    pub(crate) fn command(&mut self, device: usize, command: Command) {
        self.next_command += 1;
        if let Command::Send { content, .. } = &command {
            let text = timeline::text_of(content).unwrap_or_default();
            self.said.insert(self.next_command, text);
        }
        let input = Input::Command(self.next_command, command);
        self.input(device, input);
    }

    pub(crate) fn operate(&mut self) {
        let device = self.roll(self.devices.len() as u32) as usize;
        if self.people < self.devices.len() {
            match self.roll(20) {
                0 => return self.churn(),
                1 => return self.settle_something(device),
                _ => {}
            }
        }
        if self.owner[device].is_none() || self.shut_out.contains(&device) {
            return;
        }
        let Some(engine) = &mut self.devices[device].engine else {
            return;
        };
        let views = engine.conversations();
        let open = |view: &&engine::ConversationView| {
            matches!(
                view.standing,
                Standing::Active | Standing::Request | Standing::Creating
            )
        };
        let all: Vec<ConversationId> = views.iter().filter(open).map(|view| view.id).collect();
        let groups: Vec<ConversationId> = views
            .iter()
            .filter(open)
            .filter(|view| view.kind == ConversationKind::Group)
            .map(|view| view.id)
            .collect();
        let other = self.someone();
        let command = match self.roll(100) {
            0..40 => self.pick(&all).map(|id| self.say(Target::Conversation(id))),
            40..55 => Some(self.say(Target::Person(other))),
            55..65 => Some(Command::CreateGroup {
                name: format!("group {}", self.next_command),
                members: self.some(),
            }),
            65..75 => self.pick(&groups).map(|conversation| Command::Add {
                conversation,
                members: vec![other],
            }),
            75..83 => self.pick(&groups).map(|conversation| Command::Remove {
                conversation,
                members: vec![other],
            }),
            83..93 => self.pick(&groups).map(|conversation| {
                let role = self
                    .pick(&[Role::Member, Role::Admin, Role::Owner])
                    .unwrap_or(Role::Member);
                Command::SetRole {
                    conversation,
                    member: other,
                    role,
                }
            }),
            _ => self
                .pick(&groups)
                .map(|conversation| Command::Leave { conversation }),
        };
        if let Some(command) = command {
            self.command(device, command);
        }
    }

    fn say(&self, to: Target) -> Command {
        Command::say(to, &format!("words {}", self.next_command + 1))
    }

    /// Everybody but the first.
    pub(crate) fn everybody_else(&self) -> Vec<Address> {
        let address = |index| format!("person{index}@city.example").parse().expect("an address");
        (1..self.people).map(address).collect()
    }

    fn someone(&self) -> Address {
        let index = self.roll(self.people as u32);
        format!("person{index}@city.example").parse().expect("an address")
    }

    fn some(&self) -> Vec<Address> {
        (0..=self.roll(3)).map(|_| self.someone()).collect()
    }
}
