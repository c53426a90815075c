//! Bytes from an enemy: whatever is cut, changed or claimed, decoders return and never panic.
//!
//! The inputs are the same in every run. What a mutated frame decodes to must survive encoding and decoding again.

mod common;

use common::{Form, Random, decode_and_encode};
use hypercell_abi::archive::{Archive, EntryId};
use hypercell_abi::{FrameHeader, FrameKind, GuestFrame, HostFrame, KernelRequest, NamedValues, RawValue};

/// Bytes that start something: each major type at its edges, break, reserved heads, tags, floats.
const TELLING: [u8; 24] = [
    0x00, 0x17, 0x18, 0x1b, 0x1c, 0x1f, 0x3b, 0x40, 0x5b, 0x5f, 0x60, 0x7b, 0x7f, 0x80, 0x9b, 0x9f, 0xa0,
    0xbb, 0xbf, 0xc2, 0xd9, 0xf7, 0xfb, 0xff,
];

fn samples() -> Vec<(Form, Vec<u8>)> {
    let mut all: Vec<(Form, Vec<u8>)> =
        common::sample_frames().into_iter().map(|(_, bytes)| (Form::Frame, bytes)).collect();
    all.push((Form::Enter, common::enter_turn()));
    all.push((Form::Exit, common::exit_turn()));
    all.push((Form::Value, common::every_value()));
    all
}

/// Decodes, and checks that what loads is stable under encoding.
fn probe(form: Form, bytes: &[u8]) {
    let _verdict = form.loads(bytes);
    if form == Form::Frame
        && let Ok(encoded) = decode_and_encode(bytes)
    {
        assert_eq!(decode_and_encode(&encoded).as_deref(), Ok(&encoded[..]));
    }
}

#[test]
fn truncated_input_is_refused_at_every_length() {
    for (form, bytes) in samples() {
        for len in 0..bytes.len() {
            assert!(form.loads(&bytes[..len]).is_err(), "{form:?} of {len} bytes loads");
        }
    }
}

#[test]
fn body_truncated_under_an_honest_header_is_refused() {
    for (_, bytes) in common::sample_frames() {
        let (header, body) = FrameHeader::split(&bytes).unwrap();
        for len in 0..body.len() {
            assert!(decode_and_encode(&common::frame(header.kind, &body[..len])).is_err());
        }
    }
}

#[test]
fn each_byte_replaced_never_panics() {
    for (form, mut bytes) in samples() {
        for at in 0..bytes.len() {
            let good = bytes[at];
            for bad in
                TELLING.into_iter().chain([good ^ 1, good ^ 0x20, good.wrapping_add(1), good.wrapping_sub(1)])
            {
                bytes[at] = bad;
                probe(form, &bytes);
            }
            bytes[at] = good;
        }
    }
}

#[test]
fn bytes_inserted_and_removed_never_panic() {
    let mut random = Random::new(1);
    for (_, bytes) in common::sample_frames() {
        let (header, body) = FrameHeader::split(&bytes).unwrap();
        for _ in 0..2000 {
            let mut body = body.to_vec();
            for _ in 0..=random.below(4) {
                let at = random.below(body.len() + 1);
                match random.below(3) {
                    0 => body.insert(at, TELLING[random.below(TELLING.len())]),
                    1 if at < body.len() => drop(body.remove(at)),
                    _ => {
                        let copy = body[at..].iter().copied().take(8).collect::<Vec<_>>();
                        let to = random.below(body.len() + 1);
                        body.splice(to..to, copy);
                    }
                }
            }
            probe(Form::Frame, &common::frame(header.kind, &body));
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut random = Random::new(2);
    for _ in 0..50_000 {
        let bytes: Vec<u8> = (0..random.below(48))
            .map(|_| if random.below(2) == 0 { TELLING[random.below(TELLING.len())] } else { random.byte() })
            .collect();
        let _value = RawValue::new(&bytes);
        let _named = NamedValues::new(&bytes);
        for kind in FrameKind::ALL {
            let _host = HostFrame::decode(*kind, &bytes);
            let _kernel = KernelRequest::decode(*kind, &bytes);
            let _guest = GuestFrame::decode(*kind, &bytes);
        }
    }
}

#[test]
fn claimed_lengths_cost_nothing() {
    for major in [0x40u8, 0x60, 0x80, 0xa0] {
        for claim in [1u64 << 24, 1 << 31, 1 << 32, 1 << 40, 1 << 62, 1 << 63, u64::MAX] {
            let head = [&[major | 27][..], &claim.to_be_bytes()].concat();
            assert!(RawValue::new(&head).is_err());
            for (_, bytes) in common::sample_frames() {
                let (header, body) = FrameHeader::split(&bytes).unwrap();
                for at in 0..body.len() {
                    let body = [&body[..at], &head[..], &body[at..]].concat();
                    probe(Form::Frame, &common::frame(header.kind, &body));
                }
            }
        }
    }
}

#[test]
fn long_chains_of_tags_and_arrays_end_without_deep_stack() {
    for head in [0x81u8, 0xa1, 0xc2] {
        assert!(RawValue::new(&vec![head; 4 << 20]).is_err());
    }
    let tuples: Vec<u8> = [0xd9, 0xbb, 0x80, 0x81].repeat(1 << 20);
    assert!(RawValue::new(&tuples).is_err());
}

#[test]
fn a_frame_is_refused_by_every_party_but_its_receiver() {
    for (_, bytes) in common::sample_frames() {
        let (header, body) = FrameHeader::split(&bytes).unwrap();
        let takers = [
            HostFrame::decode(header.kind, body).is_ok(),
            KernelRequest::decode(header.kind, body).is_ok(),
            GuestFrame::decode(header.kind, body).is_ok(),
        ];
        assert_eq!(takers.into_iter().filter(|took| *took).count(), 1, "{}", header.kind.name());
    }
}

/// Reads everything that an archive offers, bounded by the entries it claims to have.
fn read_all(bytes: &[u8]) {
    let Ok(archive) = Archive::parse(bytes) else { return };
    let is_whole = archive.check().is_ok();
    for id in (0..archive.entry_count().min(1000)).map(EntryId) {
        let (entry, data, target) = (archive.entry(id), archive.data(id), archive.link_target(id));
        let looked_up = archive.lookup(id, b"lib");
        if let Ok(children) = archive.children(id) {
            for child in children {
                let _entry = archive.entry(child);
            }
        }
        if is_whole {
            use hypercell_abi::archive::EntryKind as Kind;
            let kind = entry.unwrap().kind;
            assert_eq!(
                [data.is_ok(), looked_up.is_ok(), target.is_ok()],
                [Kind::File, Kind::Dir, Kind::Symlink].map(|k| k == kind)
            );
        }
    }
    let _path = archive.lookup_path(b"/python/lib/b.py");
}

#[test]
fn archive_with_changed_bytes_never_panics() {
    let mut archive = common::sample_archive();
    let table_len = 4096;
    for at in 0..table_len {
        let good = archive[at];
        for bad in [0, 1, 0x2f, 0x7f, 0x80, 0xff, good.wrapping_add(1), good.wrapping_sub(1)] {
            archive[at] = bad;
            read_all(&archive);
        }
        archive[at] = good;
    }
    let mut random = Random::new(3);
    for _ in 0..20_000 {
        let mut bytes = archive.clone();
        for _ in 0..=random.below(6) {
            bytes[random.below(700)] = random.byte();
        }
        read_all(&bytes);
    }
}

#[test]
fn truncated_archive_is_refused() {
    let archive = common::sample_archive();
    for len in (0..archive.len()).filter(|len| *len < 1000 || len % 97 == 0) {
        assert!(Archive::parse(&archive[..len]).is_err());
    }
}
