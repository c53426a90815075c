//! Values: what passes, what does not, and a second CBOR implementation (minicbor) that must agree.

mod common;

use common::{Random, every_value, from_hex};
use hypercell_abi::cbor::{Major, read_head, write_f64, write_head, write_text};
use hypercell_abi::value::value_len;
use hypercell_abi::{NamedValues, RawValue, WireError};
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

/// Writes a random value with minicbor, at most `levels` deep.
fn write_random(random: &mut Random, levels: usize, out: &mut Encoder<Vec<u8>>) {
    let choice = if levels == 0 { random.below(6) } else { random.below(9) };
    match choice {
        0 => drop(out.u64(random.next() >> random.below(64)).unwrap()),
        1 => drop(out.i64(i64::from_le_bytes(random.next().to_le_bytes())).unwrap()),
        2 => drop(out.bytes(&vec![random.byte(); random.below(300)]).unwrap()),
        3 => drop(out.str(&"ü€x".repeat(random.below(60))).unwrap()),
        4 => drop(out.f64(f64::from_bits(random.next())).unwrap()),
        5 => drop(
            out.bool(true).unwrap().null().unwrap().undefined().unwrap().tag(minicbor::data::Tag::new(0)),
        ),
        6 => {
            let count = random.below(5);
            out.array(u64::try_from(count).unwrap()).unwrap();
            (0..count).for_each(|_| write_random(random, levels - 1, out));
        }
        7 => {
            let count = random.below(5);
            out.map(u64::try_from(count).unwrap()).unwrap();
            (0..2 * count).for_each(|_| write_random(random, levels - 1, out));
        }
        _ => {
            out.tag(minicbor::data::Tag::new(48_000)).unwrap().array(1).unwrap();
            write_random(random, levels - 1, out);
        }
    }
}

#[test]
fn both_implementations_find_the_same_end() {
    let mut random = Random::new(4);
    let mut agreed = 0;
    for _ in 0..20_000 {
        let mut encoder = Encoder::new(Vec::new());
        write_random(&mut random, 6, &mut encoder);
        let mut bytes = encoder.into_writer();
        bytes.extend_from_slice(&[0xff; 3]);
        // Choice 5 writes what is no value, so only what passes here is compared.
        let Ok(len) = value_len(&bytes) else { continue };
        let mut decoder = Decoder::new(&bytes);
        decoder.skip().unwrap();
        assert_eq!(decoder.position(), len);
        agreed += 1;
    }
    assert!(agreed > 10_000, "only {agreed} samples were values");
}

#[test]
fn nothing_passes_that_the_other_implementation_refuses() {
    let mut random = Random::new(5);
    let good = every_value();
    for _ in 0..100_000 {
        let mut bytes = good.clone();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.byte();
        }
        if let Ok(len) = value_len(&bytes) {
            let mut decoder = Decoder::new(&bytes);
            decoder.skip().unwrap();
            assert_eq!(decoder.position(), len);
        }
    }
}

#[test]
fn written_heads_are_read_back_by_both_implementations() {
    for value in [0, 23, 24, 255, 256, 65_535, 65_536, u64::from(u32::MAX), 1 << 32, u64::MAX] {
        let mut out = Vec::new();
        write_head(&mut out, Major::Uint, value);
        let (head, next) = read_head(&out, 0).unwrap();
        assert_eq!((head.major, head.arg, next), (Major::Uint, value, out.len()));
        assert_eq!(Decoder::new(&out).u64().unwrap(), value);
        assert_eq!(out, minicbor::to_vec(value).unwrap());
    }
    let mut out = Vec::new();
    write_f64(&mut out, -0.0);
    assert_eq!(read_head(&out, 0).unwrap().0.float_bits(), Some((64, 1 << 63)));
    assert_eq!(Decoder::new(&out).datatype().unwrap(), Type::F64);
}

#[test]
fn all_errors_name_offset_and_cause() {
    let cases = [
        ("", "item at byte 0 ends after the input"),
        ("82 01", "item at byte 0 ends after the input"),
        ("82 01 62 61", "item at byte 3 ends after the input"),
        ("1c", "byte 0 starts no cbor item"),
        ("81 9f", "item at byte 1 has indefinite length"),
        ("62 c328", "text at byte 1 is not utf-8"),
        ("f6 00 00", "item ends at byte 1, 2 bytes follow"),
        ("81 c0", "tag 0 at byte 1 has no meaning"),
        ("c2 61 31", "tag 2 holds the wrong kind of item at byte 1"),
        ("f7", "simple value 23 at byte 0 has no meaning"),
    ];
    for (hex, text) in cases {
        assert_eq!(RawValue::new(&from_hex(hex)).unwrap_err().to_string(), text, "{hex}");
    }
}

#[test]
fn each_tag_takes_its_own_kind_of_item_only() {
    let items = [
        "01",
        "20",
        "40",
        "50 00112233445566778899aabbccddeeff",
        "60",
        "80",
        "83 01 02 03",
        "a0",
        "f6",
        "c2 40",
    ];
    let cases: [(&str, &[usize]); 11] = [
        ("c2", &[2, 3]),
        ("c3", &[2, 3]),
        ("d825", &[3]),
        ("d90102", &[5, 6]),
        ("d903ec", &[4]),
        ("d9bb80", &[5, 6]),
        ("d9bb81", &[4]),
        ("d9bb82", &[6]),
        ("d9bb83", &[4]),
        ("d9bb84", &[5, 6]),
        ("d9bb85", &[4]),
    ];
    for (tag, fitting) in cases {
        for (index, item) in items.iter().enumerate() {
            let passes = RawValue::new(&from_hex(&format!("{tag} {item}"))).is_ok();
            assert_eq!(passes, fitting.contains(&index), "{tag} {item}");
        }
    }
}

#[test]
fn named_values_are_read_in_the_order_sent() {
    let list = from_hex("82 01 02");
    let pairs = [("z", RawValue::NONE), ("a", RawValue::new(&list).unwrap()), ("", RawValue::NONE)];
    let bytes = NamedValues::encode(&pairs);
    let named = NamedValues::new(&bytes).unwrap();
    assert_eq!(named.iter().collect::<Vec<_>>(), pairs);
    assert_eq!((named.len(), named.is_empty()), (3, false));
    assert_eq!(named.as_value().as_bytes(), bytes);
    assert!(NamedValues::EMPTY.is_empty());
    assert_eq!(NamedValues::new(&[0xa0]), Ok(NamedValues::EMPTY));
}

#[test]
fn named_values_must_be_a_map_with_text_keys() {
    assert_eq!(NamedValues::new(&[0x80]), Err(WireError::WrongType { expected: "a map", offset: 0 }));
    let mut bytes = vec![0xa2];
    write_text(&mut bytes, "a");
    bytes.extend_from_slice(&[0xf6, 0x41, 0x61, 0xf6]);
    assert_eq!(NamedValues::new(&bytes), Err(WireError::WrongType { expected: "a text key", offset: 4 }));
}
