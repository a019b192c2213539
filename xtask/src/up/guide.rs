//! What to do next, in words that can be copied into a terminal.

use std::fmt;
use std::path::Path;

use super::realm;
use super::town::{self, Handles, Person};
use crate::shell::quoted;

pub(crate) struct Guide<'a> {
    pub(crate) veche: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) server: &'a str,
    pub(crate) people: &'a Handles,
}

impl fmt::Display for Guide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (me, them) = (self.at(&self.data.join("me")), &self.people[&Person::Anna]);
        let anna = self.at(&town::folder(self.data).join(them));
        let address = town::address(them);
        writeln!(
            f,
            "The realm {} is up at {}. Ctrl-C here stops it.",
            realm::NAME,
            self.server
        )?;
        writeln!(
            f,
            "\nIn a second terminal, be Anna: read what waits for her, and stay to see more arrive.\n"
        )?;
        writeln!(f, "  {anna} chats\n  {anna} inbox --follow")?;
        writeln!(
            f,
            "\nIn a third, join the town, write to her, and see what she answers.\n"
        )?;
        writeln!(f, "  {me} register newcomer --server {}", self.server)?;
        writeln!(f, "  {me} send {address} 'Good evening! I have just moved in.'")?;
        write!(f, "  {me} inbox --follow")
    }
}

impl Guide<'_> {
    fn at(&self, home: &Path) -> String {
        let [veche, home] = [self.veche, home].map(|path| quoted(&path.display().to_string()));
        format!("{veche} --home {home}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_stands_on_a_line_of_its_own_and_can_be_copied() {
        let people = [(Person::Anna, "anna-2".to_owned())].into();
        let guide = Guide {
            veche: Path::new("target/debug/veche"),
            data: Path::new("my data"),
            server: "http://127.0.0.1:8480",
            people: &people,
        };
        let text = guide.to_string();
        let commands: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("  ")).collect();
        assert_eq!(
            commands,
            [
                "target/debug/veche --home 'my data/town/anna-2' chats",
                "target/debug/veche --home 'my data/town/anna-2' inbox --follow",
                "target/debug/veche --home 'my data/me' register newcomer --server http://127.0.0.1:8480",
                "target/debug/veche --home 'my data/me' send anna-2@town.localhost 'Good evening! I have just moved in.'",
                "target/debug/veche --home 'my data/me' inbox --follow",
            ]
        );
    }
}
