//! What holds for any message and any bytes.

use content::{
    Content, ContentKey, Disposition, Envelope, Expiration, ExtensionKey, Extensions, ExternalPart,
    MessageId, NestedPart, Part, PartSemantics,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

fn message_ids() -> impl Strategy<Value = MessageId> {
    any::<[u8; 32]>().prop_map(|mut bytes| {
        bytes[0] = 1;
        MessageId::new(bytes)
    })
}

fn expirations() -> impl Strategy<Value = Expiration> {
    (any::<bool>(), any::<u32>()).prop_map(|(relative, secs)| match relative {
        true => Expiration::AfterReading { after_secs: secs },
        false => Expiration::At { unix_secs: secs },
    })
}

const MEMORY: &str = "writing to memory cannot fail";
const ALLOWED: &str = "such keys and values are allowed";

fn encode(value: impl minicbor::Encode<()>) -> Vec<u8> {
    minicbor::to_vec(value).expect(MEMORY)
}

/// Values at most three levels deep.
fn values() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(encode),
        any::<String>().prop_map(encode),
        any::<Vec<u8>>().prop_map(|bytes| encode(minicbor::bytes::ByteVec::from(bytes))),
        any::<bool>().prop_map(encode),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        vec(inner, 0..4).prop_map(|items| {
            let mut e = minicbor::Encoder::new(Vec::new());
            e.array(items.len() as u64).expect(MEMORY);
            e.writer_mut().extend(items.concat());
            e.into_writer()
        })
    })
}

fn extensions() -> impl Strategy<Value = Extensions> {
    let by_number = vec((3_i64..1 << 53, any::<bool>(), values()), 0..4);
    let by_name = vec((".{1,60}", values()), 0..4);
    (by_number, by_name).prop_map(|(by_number, by_name)| {
        let mut extensions = Extensions::default();
        for (number, is_negative, value) in by_number {
            let key = ExtensionKey::Int(if is_negative { -number } else { number });
            extensions.insert(key, &value).expect(ALLOWED);
        }
        for (name, value) in by_name {
            extensions
                .insert(ExtensionKey::Text(&name), &value)
                .expect(ALLOWED);
        }
        extensions
    })
}

fn external_parts() -> impl Strategy<Value = ExternalPart> {
    let numbers = any::<(u32, u64, u16, u8)>();
    let texts = any::<[String; 4]>();
    let bytes = any::<[Vec<u8>; 4]>();
    (numbers, texts, bytes).prop_map(|(numbers, texts, bytes)| {
        let (expires_unix_secs, size_bytes, enc_alg, hash_alg) = numbers;
        let [content_type, url, description, filename] = texts;
        let [key, nonce, aad, content_hash] = bytes;
        ExternalPart {
            content_type,
            url,
            expires_unix_secs,
            size_bytes,
            enc_alg,
            key: ContentKey::new(key),
            nonce,
            aad,
            hash_alg,
            content_hash,
            description,
            filename,
        }
    })
}

fn nested(part: impl Strategy<Value = Part>) -> impl Strategy<Value = NestedPart> {
    (any::<u8>(), any::<String>(), part).prop_map(|(disposition, language, part)| NestedPart {
        disposition: Disposition::from_code(disposition),
        language,
        part,
    })
}

fn parts() -> impl Strategy<Value = NestedPart> {
    let single = (any::<String>(), any::<Vec<u8>>()).prop_map(|(content_type, content)| Part::Single {
        content_type,
        content,
    });
    let external = external_parts().prop_map(|part| Part::External(Box::new(part)));
    let leaf = nested(prop_oneof![Just(Part::Null), single, external]);
    leaf.prop_recursive(3, 12, 3, |inner| {
        let semantics = prop_oneof![
            Just(PartSemantics::ChooseOne),
            Just(PartSemantics::SingleUnit),
            Just(PartSemantics::ProcessAll),
        ];
        nested((semantics, vec(inner, 2..4)).prop_map(|(semantics, parts)| Part::Multi { semantics, parts }))
    })
}

fn contents() -> impl Strategy<Value = Content> {
    let fields = (
        any::<[u8; 16]>(),
        option::of(message_ids()),
        any::<Vec<u8>>(),
        option::of(expirations()),
        option::of(message_ids()),
        extensions(),
        parts(),
    );
    fields.prop_map(
        |(salt, replaces, topic_id, expires, in_reply_to, extensions, part)| Content {
            salt,
            replaces,
            topic_id,
            expires,
            in_reply_to,
            extensions,
            part,
        },
    )
}

proptest! {
    #[test]
    fn contents_round_trip(content in contents()) {
        prop_assert_eq!(Content::decode(&content.encode()), Ok(content));
    }

    /// Another implementation of CBOR finds one item in what we write, and nothing behind it.
    #[test]
    fn contents_are_one_item(content in contents()) {
        let encoded = content.encode();
        let mut d = minicbor::Decoder::new(&encoded);
        prop_assert!(d.skip().is_ok());
        prop_assert_eq!(d.position(), encoded.len());
    }

    #[test]
    fn contents_can_be_asked_for_their_body(content in contents()) {
        content.body();
    }

    #[test]
    fn bytes_are_read_without_panicking(bytes: Vec<u8>) {
        if let Ok(content) = Content::decode(&bytes) {
            prop_assert_eq!(content.encode(), bytes);
        }
    }

    /// What begins like an envelope, with anything after it.
    #[test]
    fn envelopes_are_read_without_panicking(bytes: Vec<u8>) {
        let bytes = [&[0x83, 1], bytes.as_slice()].concat();
        if let Ok(Some(envelope)) = Envelope::decode(&bytes) {
            prop_assert_eq!(envelope.encode(), bytes);
        }
    }

    /// Random bytes rarely get past the salt; these begin well and have a few bytes changed.
    #[test]
    fn damaged_contents_are_read_without_panicking(
        content in contents(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = content.encode();
        for (position, byte) in damage {
            let position = position.index(bytes.len());
            bytes[position] = byte;
        }
        if let Ok(content) = Content::decode(&bytes) {
            prop_assert_eq!(content.encode(), bytes);
        }
    }

    #[test]
    fn extensions_of_any_bytes_are_read_without_panicking(value: Vec<u8>) {
        let mut extensions = Extensions::default();
        if extensions.insert(ExtensionKey::Int(7), &value).is_ok() {
            prop_assert_eq!(extensions.get(ExtensionKey::Int(7)), Some(&value[..]));
        }
    }
}
