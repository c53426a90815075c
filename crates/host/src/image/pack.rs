//! Writes the tree as an image archive (`hypercell_abi::archive`).
//!
//! Before: `image`. After: the guest kernel's file system.

use super::error::ImageError;
use super::tree::{FileTree, Node};
use std::collections::{BTreeMap, HashMap};

const PAGE: usize = 4096;
/// 2020-01-01
const MTIME_S: i64 = 1_577_836_800;

pub(crate) fn pack(tree: &FileTree) -> Result<Vec<u8>, ImageError> {
    // PROVISIONAL until the abi crate's writer is there
    let mut children: BTreeMap<&str, Vec<(&str, &str, &Node)>> = BTreeMap::new();
    for (path, node) in tree.iter() {
        let (parent, name) = path.rsplit_once('/').unwrap();
        children.entry(parent).or_default().push((name, path, node));
    }
    struct E<'a> {
        name: &'a str,
        path: &'a str,
        node: Option<&'a Node>,
        first: u32,
        count: u32,
        off: u64,
        size: u64,
    }
    let mut entries = vec![E { name: "", path: "", node: None, first: 0, count: 0, off: 0, size: 0 }];
    let mut i = 0;
    while i < entries.len() {
        if matches!(entries[i].node, None | Some(Node::Dir)) {
            let mut kids = children.remove(entries[i].path).unwrap_or_default();
            kids.sort_by_key(|k| k.0.as_bytes());
            entries[i].first = entries.len() as u32;
            entries[i].count = kids.len() as u32;
            for (name, path, node) in kids {
                entries.push(E { name, path, node: Some(node), first: 0, count: 0, off: 0, size: 0 });
            }
        }
        i += 1;
    }
    let mut names = Vec::new();
    let mut name_offs = Vec::new();
    for e in &entries {
        name_offs.push(names.len() as u32);
        names.extend_from_slice(e.name.as_bytes());
    }
    let entries_off = 64usize;
    let names_off = entries_off + entries.len() * 48;
    let data_off = (names_off + names.len()).next_multiple_of(PAGE);
    let mut out = vec![0u8; data_off];
    let mut seen: HashMap<[u8; 32], u64> = HashMap::new();
    for e in &mut entries {
        let c = match e.node {
            Some(Node::File { source, .. }) => source.contents()?,
            Some(Node::Symlink { target }) => target.clone().into_bytes(),
            _ => continue,
        };
        e.size = c.len() as u64;
        let d: [u8; 32] = <sha2::Sha256 as sha2::Digest>::digest(&c).into();
        e.off = *seen.entry(d).or_insert_with(|| {
            let o = out.len() as u64;
            out.extend_from_slice(&c);
            out.resize(out.len().next_multiple_of(PAGE), 0);
            o
        });
    }
    let total = out.len() as u64;
    let mut h = Vec::new();
    h.extend(b"HCIMG\0\0\x01");
    h.extend((entries.len() as u32).to_le_bytes());
    h.extend((entries_off as u32).to_le_bytes());
    h.extend((names_off as u64).to_le_bytes());
    h.extend((names.len() as u64).to_le_bytes());
    h.extend((data_off as u64).to_le_bytes());
    h.extend(total.to_le_bytes());
    h.resize(64, 0);
    for (e, no) in entries.iter().zip(name_offs) {
        h.extend(no.to_le_bytes());
        h.extend((e.name.len() as u16).to_le_bytes());
        let (kind, mode) = match e.node {
            None => (2u8, 0o755),
            Some(n) => (
                match n {
                    Node::File { .. } => 1,
                    Node::Dir => 2,
                    Node::Symlink { .. } => 3,
                },
                n.mode(),
            ),
        };
        h.push(kind);
        h.push(0);
        h.extend(mode.to_le_bytes());
        h.extend(e.first.to_le_bytes());
        h.extend(e.count.to_le_bytes());
        h.extend(0u32.to_le_bytes());
        h.extend(e.off.to_le_bytes());
        h.extend(e.size.to_le_bytes());
        h.extend(MTIME_S.to_le_bytes());
    }
    h.extend(&names);
    out[..h.len()].copy_from_slice(&h);
    Ok(out)
}
