//! What an invite looks like when people pass it on.

use crypto::{InviteKey, KeyMark};
use engine::InviteLink;
use types::hex;
use zeroize::Zeroizing;

use super::failure::Failure;
use super::link_url;

const SCHEME: &str = "veche:invite?";

/// The URL. Whoever has it may come in.
pub(super) fn write(link: &InviteLink) -> Zeroizing<String> {
    let InviteLink {
        conversation,
        secret,
        made_by,
        key_mark,
    } = link;
    let by = made_by.to_string().replace('%', "%25").replace('&', "%26");
    let secret = Zeroizing::new(hex::encode(&*secret.to_bytes()));
    let (secret, mark) = (secret.as_str(), hex::encode(key_mark.as_bytes()));
    Zeroizing::new(format!(
        "{SCHEME}by={by}&group={conversation}&key={mark}&secret={secret}"
    ))
}

/// Reads the URL as it was typed or scanned. What is not known is passed over: later versions may say more.
pub(super) fn read(text: &str) -> Result<InviteLink, Failure> {
    let text = text.trim();
    let query = match text.get(..SCHEME.len()) {
        Some(scheme) if scheme.eq_ignore_ascii_case(SCHEME) => &text[SCHEME.len()..],
        _ => return Err(malformed()),
    };
    let field = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let found = pairs.find(|(key, _)| *key == name);
        found
            .map(|(_, value)| link_url::decode(value))
            .ok_or_else(malformed)
    };
    let conversation = types::ConversationId::from_hex(&field("group")?).ok_or_else(malformed)?;
    let secret = Zeroizing::new(hex::decode::<32>(&field("secret")?).ok_or_else(malformed)?);
    let mark = hex::decode::<{ KeyMark::LEN }>(&field("key")?).ok_or_else(malformed)?;
    Ok(InviteLink {
        conversation,
        secret: InviteKey::from_bytes(&secret),
        made_by: field("by")?.parse().map_err(|_| malformed())?,
        key_mark: KeyMark::new(mark),
    })
}

fn malformed() -> Failure {
    Failure::argument(
        "invite_malformed",
        "this is no invite, or not all of it: it begins with veche:invite? and is given whole, in quotes",
    )
}

#[cfg(test)]
mod tests {
    use types::ConversationId;

    use super::*;

    fn link() -> InviteLink {
        InviteLink {
            conversation: ConversationId::new([7; 16]),
            secret: InviteKey::from_bytes(&[8; 32]),
            made_by: "anna@city.example".parse().unwrap(),
            key_mark: KeyMark::new([9; 16]),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let url = write(&link());
        assert!(
            url.starts_with("veche:invite?by=anna@city.example&group=0707"),
            "{url:?}"
        );
        let read = read(&format!(" {}&later=1\n", url.as_str())).unwrap();
        assert_eq!(read.conversation, link().conversation);
        assert_eq!(*read.secret.to_bytes(), [8; 32]);
        assert_eq!((read.made_by, read.key_mark), (link().made_by, link().key_mark));
    }

    #[test]
    fn everything_else_is_refused() {
        let url = write(&link());
        let short = &url[..url.len() - 1];
        let no_name = url.replace("by=", "from=");
        for text in [
            "",
            "veche:invite?",
            "veche:link?code=1",
            short,
            &no_name,
            "veche:invité?",
        ] {
            let failure = read(text).unwrap_err();
            assert_eq!(
                (failure.code.as_str(), failure.exit),
                ("invite_malformed", 2),
                "{text}"
            );
        }
    }
}
