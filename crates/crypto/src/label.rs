//! What exactly is signed.

/// Builds the bytes under a signature: a label, then each field with its length before it, so that no two lists of
/// fields give the same bytes.
pub(crate) struct Labelled(Vec<u8>);

impl Labelled {
    pub(crate) fn new(label: &'static str) -> Self {
        Self(Vec::new()).field(label.as_bytes())
    }

    #[must_use]
    pub(crate) fn field(mut self, field: &[u8]) -> Self {
        let len = u32::try_from(field.len()).expect("nothing that is signed comes near 4 GiB");
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(field);
        self
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}
