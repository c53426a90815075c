//! Where mounts stand in the tree, and paths in them.
//!
//! Guarantees: the directories on the way to a mount are there, and empty but for it; names in a mount are looked up
//! together. Never: opens a file.
//!
//! Before: path, ops. After: hostfs.

use alloc::rc::Rc;
use alloc::vec::Vec;

use hypercell_abi::archive;
use hypercell_abi::limits::MAX_FILE_PATH_BYTES;
use hypercell_abi::message::{FileReply, FileRequest};

use super::Vfs;
use super::hostfs::{self, DEVICE, HostNode, ask};
use super::node::{Kind, Meta, Node, Place};
use super::ops::{Listed, POINTS, Taken};
use super::path::{Follow, Last, NAME_MAX, Walk};
use crate::errno::Errno;

/// A directory of the tree that a mount brings: the mounted one, or one on the way to it.
#[derive(Debug)]
pub struct Point {
    /// Absolute path.
    pub path: Vec<u8>,
    /// Number of the mount, unless it is only on the way.
    pub mount: Option<u32>,
}

/// The mounts of the sandbox.
#[derive(Debug, Default)]
pub struct HostMounts {
    /// Every directory that they bring, parents before children.
    pub points: Vec<Point>,
    /// Of each mount, its place in `points` and whether it may be written.
    mounts: Vec<(usize, bool)>,
}

impl HostMounts {
    /// Asks the host which mounts there are.
    pub fn fetch() -> Self {
        let request = FileRequest::Mounts;
        let list = ask(&request, 80 * MAX_FILE_PATH_BYTES, |reply| match reply {
            FileReply::Mounts(list) => {
                Some(list.iter().map(|(path, write)| (path.to_vec(), *write)).collect())
            }
            _ => None,
        });
        let list: Vec<(Vec<u8>, bool)> = list.unwrap_or_default();
        let mut all = Self::default();
        for (number, (path, is_writable)) in list.into_iter().enumerate() {
            let ends = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
            let above: Vec<Vec<u8>> = ends.map(|(end, _)| path[..end].to_vec()).collect();
            for path in above {
                if path != b"/tmp" && all.find(&path).is_none() {
                    all.points.push(Point { path, mount: None });
                }
            }
            all.mounts.push((all.points.len(), is_writable));
            all.points.push(Point { path, mount: Some(number as u32) });
        }
        all
    }

    /// The place of a path in `points`.
    pub fn find(&self, path: &[u8]) -> Option<usize> {
        self.points.iter().position(|point| point.path == path)
    }

    /// The point of a name in a directory with this path.
    pub fn child(&self, dir: &[u8], name: &[u8]) -> Option<usize> {
        self.children(dir).find(|(_, child)| *child == name).map(|(index, _)| index)
    }

    /// The points right below a path, and their names.
    pub fn children(&self, dir: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
        let name = move |point: &'_ Point| -> Option<usize> {
            let name = point.path.strip_prefix(dir)?.strip_prefix(b"/")?;
            (!name.contains(&b'/')).then_some(point.path.len() - name.len())
        };
        self.points
            .iter()
            .enumerate()
            .filter_map(move |(index, point)| Some((index, &point.path[name(point)?..])))
    }

    /// The path of the directory that holds a point.
    pub fn above(&self, point: usize) -> &[u8] {
        let path = self.points.get(point).map_or(&b"/"[..], |point| &point.path);
        let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
        &path[..end]
    }

    /// The point of a mount.
    pub fn point_of(&self, mount: u32) -> Option<usize> {
        self.mounts.get(mount as usize).map(|(point, _)| *point)
    }

    /// Whether a mount may be written.
    pub fn is_writable(&self, mount: u32) -> bool {
        self.mounts.get(mount as usize).is_some_and(|(_, is_writable)| *is_writable)
    }

    /// The absolute path of a name in a mount.
    pub fn path_of(&self, node: &HostNode) -> Vec<u8> {
        let point = self.point_of(node.mount).and_then(|point| self.points.get(point));
        let mut path = point.map_or_else(Vec::new, |point| point.path.clone());
        if !node.path.is_empty() {
            path.push(b'/');
            path.extend_from_slice(&node.path);
        }
        path
    }
}

/// What stat(2) shows of a directory on the way to a mount.
pub fn point_meta(point: usize) -> Meta {
    let mode = Kind::Dir.bits() | 0o555;
    Meta { device: DEVICE - 1, number: point as u64 + 1, mode, links: 2, ..Meta::default() }
}

/// The next names of a path that begin at `from`, up to one that is a dot or two, joined; and where they end.
pub fn names(rest: &[u8], from: usize) -> (Vec<u8>, usize) {
    let (mut joined, mut end) = (Vec::new(), from);
    while end < rest.len() {
        let start = end + rest[end..].iter().take_while(|&&b| b == b'/').count();
        let stop = start + rest[start..].iter().take_while(|&&b| b != b'/').count();
        let name = &rest[start..stop];
        if name.is_empty() || name == b"." || name == b".." {
            break;
        }
        if !joined.is_empty() {
            joined.push(b'/');
        }
        joined.extend_from_slice(name);
        end = stop;
    }
    (joined, end)
}

/// Directory part and name of a path in a mount.
pub fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

impl Vfs {
    /// Looks up names in a mount, all of them with one question. The host follows links on the way.
    ///
    /// Answers the whole walk where nothing but slashes is behind them, and the directory to go on from otherwise.
    pub(super) fn walk_host(
        &self,
        dir: Rc<HostNode>,
        names: &[u8],
        behind: &[u8],
        follow: Follow,
    ) -> Result<Result<Walk, Place>, Errno> {
        let is_last = behind.iter().all(|&b| b == b'/');
        let must_be_dir = is_last && !behind.is_empty();
        let path = dir.join(names);
        if path.split(|&b| b == b'/').any(|name| name.len() > NAME_MAX) {
            return Err(Errno::ENAMETOOLONG);
        }
        let (above, name) = split(&path);
        let (above, name) = (HostNode::dir(dir.mount, above), name.to_vec());
        let found = HostNode::look_up(dir.mount, path, !is_last || follow.follows(must_be_dir));
        let parent = Place::of(Node::Host(above));
        let target = match found {
            Ok(node) => Some(node),
            Err(Errno::ENOENT) if is_last => None,
            Err(error) => return Err(error),
        };
        let is_dir = target.as_ref().is_none_or(|node| node.kind() == Kind::Dir);
        let target = target.map(|node| Place::of(Node::Host(node)));
        match target {
            Some(place) if !is_last => Ok(Err(place)),
            target => {
                if must_be_dir && follow.demands_dir() && !is_dir {
                    return Err(Errno::ENOTDIR);
                }
                Ok(Ok(Walk { parent, name, last: Last::Name, target, must_be_dir }))
            }
        }
    }

    /// The path of a directory in which mounts can stand.
    pub(super) fn path_of_points(&self, dir: &Place, mounts: &HostMounts) -> Option<Vec<u8>> {
        match &dir.node {
            Node::Image(id) if *id == archive::ROOT.0 => Some(Vec::new()),
            Node::Ram(node) if Rc::ptr_eq(node, self.tmp.root()) => Some(b"/tmp".to_vec()),
            Node::Point(point) => mounts.points.get(*point).map(|point| point.path.clone()),
            _ => None,
        }
    }

    /// The mount of a name in a directory, which is not looked at, or the directory on the way to one.
    pub(super) fn point(&self, dir: &Place, name: &[u8]) -> Option<Node> {
        let mounts = self.host_mounts();
        if mounts.points.is_empty() {
            return None;
        }
        let index = mounts.child(&self.path_of_points(dir, &mounts)?, name)?;
        Some(match mounts.points.get(index)?.mount {
            Some(mount) => Node::Host(HostNode::dir(mount, b"")),
            None => Node::Point(index),
        })
    }

    /// The directory that holds a directory which a mount brings.
    pub(super) fn above_point(&self, point: Option<usize>) -> Place {
        let mounts = self.host_mounts();
        match point.map(|point| mounts.above(point)) {
            Some(b"/tmp") => Place::of(Node::Ram(self.tmp.root().clone())),
            Some(path) => {
                mounts.find(path).map_or_else(|| self.root(), |point| Place::of(Node::Point(point)))
            }
            None => self.root(),
        }
    }

    /// rename(2) of a name in a mount.
    pub(super) fn rename_host(
        &self,
        node: &HostNode,
        from: &Walk,
        to: &Walk,
        taken: Taken,
    ) -> Result<(), Errno> {
        if node.path.is_empty() || to.target.as_ref().is_some_and(|target| self.is_mount(target)) {
            return Err(Errno::EBUSY);
        }
        if (from.must_be_dir || to.must_be_dir) && node.kind() != Kind::Dir {
            return Err(Errno::ENOTDIR);
        }
        match &to.parent.node {
            Node::Host(dir) if dir.mount == node.mount => {
                if taken == Taken::Keep && to.target.is_some() {
                    return Err(Errno::EEXIST);
                }
                hostfs::rename(node.mount, &node.path, &dir.join(&to.name))
            }
            _ => Err(Errno::EXDEV),
        }
    }

    /// Lists the mounts that stand in /tmp behind the files there.
    pub(super) fn list_points(&self, place: &Place, start: u64, visit: &mut dyn FnMut(Listed<'_>) -> bool) {
        let mounts = self.host_mounts();
        let Some(path) = self.path_of_points(place, &mounts) else { return };
        let skipped = usize::try_from(start - POINTS).unwrap_or(usize::MAX);
        for (at, (point, name)) in mounts.children(&path).enumerate().skip(skipped) {
            let (number, next) = (point as u64 + 1, POINTS + at as u64 + 3);
            if !visit(Listed { name, number, kind: Kind::Dir, next }) {
                break;
            }
        }
    }
}
