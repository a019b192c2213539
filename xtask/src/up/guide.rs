//! What to do next, in words that can be copied into a terminal.

use std::fmt;
use std::path::{Path, PathBuf};

use super::{realm, town};
use crate::shell::quoted;

pub(crate) struct Guide<'a> {
    pub(crate) veche: &'a Path,
    pub(crate) data: &'a Path,
    pub(crate) server: &'a str,
    /// Anna's handle.
    pub(crate) anna: &'a str,
    /// Who the person at the keyboard is, when they registered at an earlier start.
    pub(crate) me: Option<String>,
}

/// Where the person at the keyboard has their home.
pub(crate) fn own_home(data: &Path) -> PathBuf {
    data.join("me")
}

impl fmt::Display for Guide<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let me = self.at(&own_home(self.data));
        let anna = self.at(&town::folder(self.data).join(self.anna));
        let newcomer = town::address("newcomer");
        let own_address = self.me.as_deref().unwrap_or(&newcomer);
        writeln!(
            f,
            "The realm {} is up at {}.\nCtrl-C here stops it; the next start goes on with what is in {}.\n",
            realm::NAME,
            self.server,
            self.data.display()
        )?;
        match &self.me {
            Some(me) => writeln!(
                f,
                "Open a second terminal in this folder. You are {me}; write to Anna:\n"
            )?,
            None => {
                writeln!(
                    f,
                    "Open a second terminal in this folder. Move in, and write to Anna:\n"
                )?;
                writeln!(f, "  {me} register newcomer --server {}", self.server)?;
            }
        }
        writeln!(
            f,
            "  {me} send {} 'Good evening! I have just moved in.'",
            town::address(self.anna)
        )?;
        writeln!(f, "\nYou can be Anna, too. See what waits for her, and answer:\n")?;
        writeln!(f, "  {anna} inbox")?;
        writeln!(f, "  {anna} send {own_address} 'Welcome! Come down on Saturday.'")?;
        writeln!(
            f,
            "\nRead the answer; with --follow, it stays for more until Ctrl-C:\n"
        )?;
        writeln!(f, "  {me} inbox --follow")?;
        write!(
            f,
            "\nREADME.md goes on from here, and `{} --help` lists the rest.",
            quoted(&self.veche.display().to_string())
        )
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

    fn commands(me: Option<&str>) -> Vec<String> {
        let guide = Guide {
            veche: Path::new("target/debug/veche"),
            data: Path::new("my data"),
            server: "http://localhost:8480",
            anna: "anna-2",
            me: me.map(str::to_owned),
        };
        let text = guide.to_string();
        let commands = text.lines().filter_map(|line| line.strip_prefix("  "));
        commands.map(str::to_owned).collect()
    }

    #[test]
    fn every_command_stands_on_a_line_of_its_own_and_can_be_copied() {
        assert_eq!(
            commands(None),
            [
                "target/debug/veche --home 'my data/me' register newcomer --server http://localhost:8480",
                "target/debug/veche --home 'my data/me' send anna-2@town.localhost 'Good evening! I have just moved in.'",
                "target/debug/veche --home 'my data/town/anna-2' inbox",
                "target/debug/veche --home 'my data/town/anna-2' send newcomer@town.localhost 'Welcome! Come down on \
                 Saturday.'",
                "target/debug/veche --home 'my data/me' inbox --follow",
            ]
        );
    }

    #[test]
    fn whoever_has_registered_is_not_told_to_do_it_again() {
        let commands = commands(Some("maria@town.localhost"));
        assert!(
            !commands.iter().any(|line| line.contains("register")),
            "{commands:?}"
        );
        assert!(commands[2].contains("send maria@town.localhost"), "{commands:?}");
    }
}
