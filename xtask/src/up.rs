//! `cargo xtask up`: a realm on this machine, with a small town in it, until Ctrl-C.

mod binaries;
mod events;
mod guide;
mod realm;
mod town;
mod veche;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;

use self::binaries::Binaries;
use self::events::{Events, Interruption};
use self::guide::Guide;
use self::realm::Realm;
use self::town::{Person, Town};
use self::veche::Veche;
use crate::tools;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Where the realm keeps its store, and the demo town its homes.
    #[arg(long, value_name = "DIR", default_value = "./data")]
    data: PathBuf,
    /// Where it listens; port 0 takes a free one, and the same the next time.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8480")]
    listen: SocketAddr,
    /// Build optimised: a longer first wait, for measuring or for a real load.
    #[arg(long)]
    release: bool,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    tools::ensure_c_compiler()?;
    let binaries = Binaries::build(options.release)?;
    let events = Events::watch_signals()?;
    let mut listen = options.listen;
    if listen.port() == 0 {
        listen.set_port(town::port(&options.data)?.unwrap_or(0));
    }
    let mut realm = Realm::start(&binaries.veched, &options.data, listen, events)?;
    let interruption = live(&mut realm, &binaries, options);
    let status = realm.stop(&interruption)?;
    match interruption {
        Interruption::Asked(_) if status.success() => Ok(()),
        Interruption::Asked(_) => bail!("veched did not stop cleanly: {status}"),
        Interruption::Ended => bail!("veched ended by itself with {status}; its own words stand above"),
        Interruption::Failed(error) => Err(error),
    }
}

/// Everything between the start and the end, which only an interruption brings.
fn live(realm: &mut Realm, binaries: &Binaries, options: &Options) -> Interruption {
    let outcome = (|| {
        let server = realm.wait_until_it_answers()?;
        let people = Town::new(&binaries.veche, &options.data, &server).ensure(realm.events())?;
        let me = Veche {
            binary: &binaries.veche,
            home: guide::own_home(&options.data),
        };
        let guide = Guide {
            veche: &binaries.veche,
            data: &options.data,
            server: &server,
            anna: &people[&Person::Anna],
            me: me.address()?,
        };
        println!("\n{guide}\n");
        realm.wait_for_the_end()
    })();
    match outcome {
        Ok(never) => match never {},
        Err(interruption) => interruption,
    }
}
