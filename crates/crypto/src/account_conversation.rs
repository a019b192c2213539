//! Which conversation is an account's own.

use sha2::{Digest, Sha256};
use types::{Address, ConversationId};

const LABEL: &str = "veche account conversation v1";

/// What ids of accounts' own conversations begin with. Ids that are drawn practically never do, so a realm can keep
/// them for their accounts: nobody else begins a conversation under such an id.
const MARK: [u8; 4] = [0; 4];

/// The id of the conversation in which the devices of an account tell each other what the person did: all of them find
/// it without being told.
pub fn account_conversation(address: &Address) -> ConversationId {
    let digest = Sha256::new()
        .chain_update(LABEL)
        .chain_update(address.to_string())
        .finalize();
    let mut id = [0; ConversationId::LEN];
    let (mark, rest) = id.split_at_mut(MARK.len());
    mark.copy_from_slice(&MARK);
    rest.copy_from_slice(&digest[..ConversationId::LEN - MARK.len()]);
    ConversationId::new(id)
}

/// Whether this can be the id of an account's own conversation.
pub fn is_account_conversation(id: ConversationId) -> bool {
    id.as_bytes().starts_with(&MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_account_has_its_own_and_it_looks_like_no_other_conversation() {
        let id = |address: &str| account_conversation(&address.parse().unwrap());
        let alice = id("alice@city.example");
        assert_eq!(alice.to_string(), "000000000c5d2aa2f3b415d551d051a5");
        assert_eq!(id("Alice@city.example"), alice);
        assert_ne!(id("alice@town.example"), alice);
        assert!(is_account_conversation(alice));
        assert!(!is_account_conversation(ConversationId::new([7; 16])));
    }
}
