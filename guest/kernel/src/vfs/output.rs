//! /output: hands the files in it to the host at the end of a run.
//!
//! Guarantees: costs nothing where nothing was written. Never: follows a link; only regular files count. A file whose path
//! is longer than the host takes stays behind.
//!
//! Before: channel. After: ramfs, outside.

use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercell_abi::limits::{MAX_FILE_CHUNK_BYTES, MAX_FILE_PATH_BYTES};
use hypercell_abi::message::FileRequest;

use super::node::Kind;
use super::outside;
use super::ramfs::RamNode;

/// Hands all files below a directory to the host.
pub fn hand_over(root: &Rc<RamNode>) {
    // Directories may be nested deeper than the kernel's stack is.
    let mut dirs: Vec<(Rc<RamNode>, Vec<u8>)> = Vec::new();
    dirs.push((root.clone(), Vec::new()));
    while let Some((dir, path)) = dirs.pop() {
        let mut names: Vec<Vec<u8>> = Vec::new();
        let listed = dir.list(0, &mut |name, _, _| {
            names.push(name.to_vec());
            true
        });
        if listed.is_err() {
            continue;
        }
        for name in names {
            let Ok(node) = dir.lookup(&name) else { continue };
            let mut path = path.clone();
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(&name);
            if path.len() > MAX_FILE_PATH_BYTES {
                continue;
            }
            match node.kind() {
                Kind::File => send(&node, &path),
                Kind::Dir => dirs.push((node, path)),
                _ => {}
            }
        }
    }
}

/// Sends a file, one piece after the other; an empty one has one piece too.
fn send(node: &RamNode, path: &[u8]) {
    let mut data = Vec::new();
    let mut offset = 0;
    loop {
        data.clear();
        let read = node.read(offset, MAX_FILE_CHUNK_BYTES, &mut |piece| {
            data.extend_from_slice(piece);
            Ok(piece.len())
        });
        if read.is_err() || data.is_empty() && offset > 0 {
            return;
        }
        outside::ask_host(&FileRequest::Artifact { path, offset, data: &data }, 0, |_| {});
        offset += data.len() as u64;
        if data.is_empty() {
            return;
        }
    }
}
