//! Voice notes: Opus in Ogg (RFC 7845).

use std::io::Read;

/// Opus counts in these, whatever it was recorded in.
const SAMPLES_PER_MS: u64 = 48;
/// Longest that is looked into: a day.
const LONGEST_MS: u64 = 24 * 3600 * 1000;

/// What is told of a voice note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voice {
    /// How long it plays, in milliseconds.
    pub duration_ms: u32,
    /// About how loud it is in parts of equal length, from 0 to 255.
    ///
    /// It is not decoded: Opus spends more bytes where there is more to hear, so a part is as high as its packets are
    /// large. One that was recorded at a constant bit rate is flat.
    pub waveform: Vec<u8>,
}

/// Looks at a voice note, and gives its loudness in at most `levels` parts. `None` when it is not Opus in Ogg, or broken.
pub fn voice(mut file: impl Read, levels: usize) -> Option<Voice> {
    let mut stream = Stream::default();
    while let Some(page) = Page::read(&mut file) {
        stream.take(&page?)?;
    }
    let samples = stream.granule.checked_sub(u64::from(stream.pre_skip?))?;
    let duration_ms = samples / SAMPLES_PER_MS;
    let is_whole = duration_ms > 0 && duration_ms <= LONGEST_MS;
    is_whole.then(|| Voice {
        duration_ms: u32::try_from(duration_ms).unwrap_or(u32::MAX),
        waveform: waveform(&stream.packets, levels),
    })
}

/// A page of Ogg.
struct Page {
    granule: u64,
    serial: u32,
    lacing: Vec<u8>,
    body: Vec<u8>,
}

impl Page {
    /// The next page: `None` at the end, and `Some(None)` when that is none.
    fn read(file: &mut impl Read) -> Option<Option<Self>> {
        let mut header = [0; 27];
        match file.read(&mut header[..1]) {
            Ok(1) => Some(Self::read_after(file, header)),
            _ => None,
        }
    }

    fn read_after(file: &mut impl Read, mut header: [u8; 27]) -> Option<Self> {
        file.read_exact(&mut header[1..]).ok()?;
        if !header.starts_with(b"OggS\0") {
            return None;
        }
        let mut lacing = vec![0; usize::from(header[26])];
        file.read_exact(&mut lacing).ok()?;
        let mut body = vec![0; lacing.iter().map(|len| usize::from(*len)).sum()];
        file.read_exact(&mut body).ok()?;
        Some(Self {
            granule: u64::from_le_bytes(*header[6..].first_chunk()?),
            serial: u32::from_le_bytes(*header[14..].first_chunk()?),
            lacing,
            body,
        })
    }
}

/// What was read of a stream.
#[derive(Default)]
struct Stream {
    serial: u32,
    pre_skip: Option<u16>,
    /// Whether the comments have passed.
    has_tags: bool,
    granule: u64,
    /// How long each packet plays, in samples, and how many bytes it has.
    packets: Vec<(u32, u32)>,
    /// The beginning of a packet that goes on in the next page: its first bytes, and how many it has.
    begun: ([u8; 2], u32),
}

impl Stream {
    fn take(&mut self, page: &Page) -> Option<()> {
        if self.pre_skip.is_none() {
            let head = page.body.strip_prefix(b"OpusHead")?;
            self.pre_skip = Some(u16::from_le_bytes(*head.get(2..)?.first_chunk()?));
            self.serial = page.serial;
            return Some(());
        }
        // Several streams at once are something else.
        if page.serial != self.serial {
            return None;
        }
        let mut at = 0;
        for len in &page.lacing {
            let end = at + usize::from(*len);
            for byte in &page.body[at..end] {
                if let Some(first) = self.begun.0.get_mut(self.begun.1 as usize) {
                    *first = *byte;
                }
                self.begun.1 = self.begun.1.saturating_add(1);
            }
            at = end;
            if *len < u8::MAX {
                self.finish_packet()?;
            }
        }
        // No packet ends on a page that says so.
        if page.granule != u64::MAX {
            self.granule = self.granule.max(page.granule);
        }
        Some(())
    }

    fn finish_packet(&mut self) -> Option<()> {
        let (first, len) = std::mem::take(&mut self.begun);
        if !std::mem::replace(&mut self.has_tags, true) {
            return Some(());
        }
        let most = LONGEST_MS / 2;
        (self.packets.len() as u64 <= most).then(|| self.packets.push((samples(first), len)))
    }
}

/// How long a packet plays (RFC 6716, section 3.1).
fn samples([toc, count]: [u8; 2]) -> u32 {
    let frame = match toc >> 3 {
        config @ 0..=11 => [480, 960, 1920, 2880][usize::from(config % 4)],
        config @ 12..=15 => [480, 960][usize::from(config % 2)],
        config => [120, 240, 480, 960][usize::from(config % 4)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(count & 0x3F),
    };
    frame * frames
}

fn waveform(packets: &[(u32, u32)], levels: usize) -> Vec<u8> {
    let total: u64 = packets.iter().map(|(samples, _)| u64::from(*samples)).sum();
    let levels = levels.min(packets.len());
    if total == 0 || levels == 0 {
        return Vec::new();
    }
    // Bytes and samples of each part; a packet counts where it begins.
    let mut parts = vec![(0_u64, 0_u64); levels];
    let mut at = 0;
    for (samples, bytes) in packets {
        let part = usize::try_from(at * levels as u64 / total)
            .unwrap_or(0)
            .min(levels - 1);
        parts[part].0 += u64::from(*bytes);
        parts[part].1 += u64::from(*samples);
        at += u64::from(*samples);
    }
    let mut last = 0;
    let rates: Vec<u64> = parts
        .into_iter()
        .map(|(bytes, samples)| {
            // Where no packet begins, the one before goes on.
            last = (bytes * 48_000).checked_div(samples).unwrap_or(last);
            last
        })
        .collect();
    let (least, most) = (
        rates.iter().min().copied().unwrap_or(0),
        rates.iter().max().copied().unwrap_or(0),
    );
    let level = |rate: u64| ((rate - least) * 255).checked_div(most - least).unwrap_or(128);
    rates
        .into_iter()
        .map(|rate| u8::try_from(level(rate)).unwrap_or(u8::MAX))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRE_SKIP: u16 = 312;

    fn page(granule: u64, packets: &[Vec<u8>]) -> Vec<u8> {
        let mut lacing = Vec::new();
        for packet in packets {
            lacing.extend(std::iter::repeat_n(255, packet.len() / 255));
            lacing.push((packet.len() % 255) as u8);
        }
        let mut page = b"OggS\0\0".to_vec();
        page.extend(granule.to_le_bytes());
        page.extend([7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        page.push(lacing.len() as u8);
        [page, lacing, packets.concat()].concat()
    }

    fn head() -> Vec<u8> {
        let mut head = b"OpusHead\x01\x01".to_vec();
        head.extend(PRE_SKIP.to_le_bytes());
        head.extend([0x80, 0xBB, 0, 0, 0, 0, 0]);
        [page(0, &[head]), page(0, &[b"OpusTags".to_vec()])].concat()
    }

    /// A second of 20 ms packets, large in its second half.
    fn note() -> Vec<u8> {
        let packets: Vec<Vec<u8>> = (0..50)
            .map(|at| [&[0x78], vec![0; if at < 25 { 9 } else { 299 }].as_slice()].concat())
            .collect();
        let pages = packets.chunks(10).enumerate();
        let pages = pages.map(|(at, packets)| page((at as u64 + 1) * 9600 + u64::from(PRE_SKIP), packets));
        [vec![head()], pages.collect()].concat().concat()
    }

    #[test]
    fn a_note_tells_how_long_it_is_and_where_it_is_loud() {
        let told = voice(&note()[..], 10).unwrap();
        assert_eq!(told.duration_ms, 1000);
        assert_eq!(told.waveform, [0, 0, 0, 0, 0, 255, 255, 255, 255, 255]);
        assert_eq!(voice(&note()[..], 100).unwrap().waveform.len(), 50);
        assert_eq!(voice(&note()[..], 0).unwrap().waveform, Vec::<u8>::new());
    }

    #[test]
    fn packets_tell_how_long_they_play() {
        let check =
            |toc: u8, count: u8, expected: u32| assert_eq!(samples([toc, count]), expected, "{toc:#x}");
        check(0x00, 0, 480);
        check(3 << 3, 0, 2880);
        check(13 << 3 | 1, 0, 1920);
        check(16 << 3, 0, 120);
        check(31 << 3 | 3, 0x85, 5 * 960);
    }

    #[test]
    fn what_is_no_note_does_no_harm() {
        for nothing in [
            &b""[..],
            b"OggS",
            b"RIFF and so on, which is long enough for a page",
        ] {
            assert_eq!(voice(nothing, 10), None);
        }
        assert_eq!(voice(&head()[..], 10), None, "it plays for no time");
        let whole = note();
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 0xFF;
            // Whatever comes of it, it comes to an end.
            let _ = voice(&changed[..], 10);
            let _ = voice(&whole[..at], 10);
        }
    }
}
