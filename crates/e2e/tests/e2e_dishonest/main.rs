//! What a dishonest server can and cannot do: real clients, a real server, and between them one that lies.
//!
//! Each test is named after what the server tries, and holds the best that is true of it: an error with a name, a line
//! that people see, or that nothing changed. docs/threat-model.md has the same as a table.

mod commits;
mod devices;
mod files;
mod honest;
mod invitations;
mod invites;
mod keys;
mod logs;
mod own;
mod recovery;
mod rejoins;
mod signals;
mod table;
mod town;
mod yard;
