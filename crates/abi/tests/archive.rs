//! Image archives: what is put in comes out, the same way each time.

mod common;

use hypercell_abi::archive::{Archive, ArchiveBuilder, Entry, EntryKind, PAGE_BYTES, ROOT};

fn find<'a>(archive: &Archive<'a>, path: &str) -> Entry<'a> {
    archive.lookup_path(path.as_bytes()).unwrap().unwrap_or_else(|| panic!("{path} is missing"))
}

#[test]
fn files_directories_and_links_come_back() {
    let bytes = common::sample_archive();
    let archive = Archive::parse(&bytes).unwrap();
    archive.check().unwrap();

    let library = find(&archive, "/python/lib/a.so");
    assert_eq!(
        (library.kind, library.mode, library.size, library.mtime_s),
        (EntryKind::File, 0o755, 5000, -1)
    );
    assert_eq!(archive.data(library.id).unwrap(), [0x7f; 5000]);
    assert_eq!(archive.data(find(&archive, "python//lib/b.py").id).unwrap(), b"b = 2\n");
    assert_eq!(archive.data(find(&archive, "/python/lib/empty").id).unwrap(), b"");
    let link = find(&archive, "/python/bin/python3");
    assert_eq!((link.kind, link.mode, link.size), (EntryKind::Symlink, 0o777, 10));
    assert_eq!(archive.link_target(link.id).unwrap(), b"python3.11");
    let tmp = find(&archive, "/tmp");
    assert_eq!((tmp.kind, tmp.mode, tmp.mtime_s), (EntryKind::Dir, 0o1777, 9));
    assert_eq!(find(&archive, "/python").mode, 0o755);
    assert_eq!(archive.lookup_path(b"/").unwrap().unwrap().id, ROOT);
}

#[test]
fn contents_start_on_a_page_and_are_padded_with_zeros() {
    let bytes = common::sample_archive();
    let archive = Archive::parse(&bytes).unwrap();
    let pages = archive.pages(find(&archive, "/python/lib/a.so").id).unwrap();
    assert_eq!(pages.len(), 2 * PAGE_BYTES);
    assert!(pages[5000..].iter().all(|byte| *byte == 0));
    assert_eq!((pages.as_ptr().addr() - bytes.as_ptr().addr()) % PAGE_BYTES, 0);
    assert_eq!(bytes.len() % PAGE_BYTES, 0);
}

#[test]
fn children_are_sorted_by_bytes_and_each_is_found() {
    let mut builder = ArchiveBuilder::new();
    let mut names: Vec<String> =
        (0..300).map(|n| format!("f{n}")).chain(["é".into(), "Z".into(), "_".into()]).collect();
    for name in &names {
        builder.add_file(format!("d/{name}"), 0o644, 0, name.as_bytes()).unwrap();
    }
    let bytes = builder.finish().unwrap();
    let archive = Archive::parse(&bytes).unwrap();
    archive.check().unwrap();
    names.sort();
    let dir = find(&archive, "d").id;
    let listed: Vec<&[u8]> =
        archive.children(dir).unwrap().map(|id| archive.entry(id).unwrap().name).collect();
    assert_eq!(listed, names.iter().map(String::as_bytes).collect::<Vec<_>>());
    for name in &names {
        let entry = archive.lookup(dir, name.as_bytes()).unwrap().unwrap();
        assert_eq!(archive.data(entry.id).unwrap(), name.as_bytes());
    }
    for missing in ["", "f", "f3000", "~", "\0"] {
        assert_eq!(archive.lookup(dir, missing.as_bytes()), Ok(None));
    }
}

#[test]
fn order_of_adding_does_not_change_the_bytes() {
    let mut builder = ArchiveBuilder::new();
    builder.add_dir("tmp/", 0o1777, 9).unwrap();
    builder.add_symlink("python/bin/python3", 5, "python3.11").unwrap();
    builder.add_file("python/lib/empty", 0o100_600, 0, "").unwrap();
    builder.add_file("python/lib/a.so", 0o755, -1, vec![0x7f; 5000]).unwrap();
    builder.add_file("python/lib/b.py", 0o644, 1_700_000_000, "b = 2\n").unwrap();
    assert!(builder.finish().unwrap() == common::sample_archive());
}

#[test]
fn archive_in_a_larger_mapping_loads() {
    let archive = common::sample_archive();
    let mapping = [&archive[..], &[0xff; PAGE_BYTES]].concat();
    assert_eq!(Archive::parse(&mapping).map(|a| a.check()), Ok(Ok(())));
}

#[test]
fn empty_archive_is_a_root_directory() {
    let bytes = ArchiveBuilder::new().finish().unwrap();
    let archive = Archive::parse(&bytes).unwrap();
    archive.check().unwrap();
    assert_eq!(archive.children(ROOT).unwrap().len(), 0);
    assert_eq!(archive.lookup_path(b"/x"), Ok(None));
}

#[test]
fn builder_refuses_what_no_file_system_holds() {
    let mut builder = ArchiveBuilder::new();
    builder.add_file("a/file", 0o644, 0, "x").unwrap();
    let long = "n".repeat(256);
    let text = |result: Result<(), hypercell_abi::archive::BuildError>| result.unwrap_err().to_string();
    assert_eq!(text(builder.add_file("a/../b", 0o644, 0, "")), "a/../b is no path in an image");
    assert_eq!(text(builder.add_file("/", 0o644, 0, "")), "/ is no path in an image");
    assert_eq!(text(builder.add_file("a\0", 0o644, 0, "")), "a\\x00 is no path in an image");
    assert_eq!(text(builder.add_dir(&long, 0o755, 0)), format!("{long} is no path in an image"));
    assert_eq!(text(builder.add_file("a/file", 0o644, 0, "")), "a/file is in the image already");
    assert_eq!(text(builder.add_symlink("a", 0, "b")), "a is in the image already");
    let through = "a/file/b leads through something that is no directory";
    assert_eq!(text(builder.add_file("a/file/b", 0o644, 0, "")), through);
    assert_eq!(text(builder.add_symlink("l", 0, "")), "l has a link target of 0 bytes that is no path");
    builder.add_dir(&long[1..], 0o755, 0).unwrap();
    builder.finish().unwrap();
}

#[test]
fn lookups_in_the_wrong_kind_of_entry_are_refused() {
    let bytes = common::sample_archive();
    let archive = Archive::parse(&bytes).unwrap();
    let file = find(&archive, "/python/lib/b.py").id;
    assert_eq!(
        archive.lookup(file, b"x").unwrap_err().to_string(),
        format!("entry {} is not a directory", file.0)
    );
    assert_eq!(archive.data(ROOT).unwrap_err().to_string(), "entry 0 is not a file");
    assert_eq!(
        archive.link_target(file).unwrap_err().to_string(),
        format!("entry {} is not a symbolic link", file.0)
    );
    assert_eq!(archive.lookup_path(b"/python/lib/b.py/x"), Ok(None));
}
