//! Tests of `cache`: what is refused, what is noticed, what a killed build leaves.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;

const DIGEST: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

fn temporary() -> (TempDir, Cache) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let cache = Cache::open(&dir.path().join("cache")).expect("usable");
    (dir, cache)
}

fn build(cache: &Cache, text: &str) -> Entry {
    let lock = cache.lock(|| ControlFlow::Continue(())).expect("lockable");
    let staging = cache.staging(&lock).expect("writable").keep();
    fs::create_dir_all(staging.join("snapshot/blobs")).expect("writable");
    fs::write(staging.join("snapshot/blobs/memory"), text).expect("writable");
    fs::write(staging.join("snapshot/index"), "i").expect("writable");
    let files = cache.settle(&staging).expect("readable");
    let metadata = Metadata { digest: DIGEST.to_owned(), files, ..Metadata::default() };
    cache.publish(&lock, &staging, metadata).expect("publishable")
}

/// Adds an entry of an interpreter and packages.
fn add(cache: &Cache, digit: char, python_version: &str, packages: &[&str]) -> String {
    let metadata = described(digit, python_version, packages);
    let lock = cache.lock(|| ControlFlow::Continue(())).expect("lockable");
    let staging = cache.staging(&lock).expect("writable").keep();
    fs::create_dir_all(staging.join("snapshot")).expect("writable");
    fs::write(staging.join("snapshot/memory"), python_version).expect("writable");
    let files = cache.settle(&staging).expect("readable");
    cache.publish(&lock, &staging, Metadata { files, ..metadata }).expect("publishable").metadata.digest
}

fn described(digit: char, python_version: &str, packages: &[&str]) -> Metadata {
    let packages = packages.iter().map(|name| ((*name).to_owned(), "1.0".to_owned())).collect();
    let digest = digit.to_string().repeat(64);
    Metadata { digest, python_version: python_version.to_owned(), packages, ..Metadata::default() }
}

fn damage(cache: &Cache) -> String {
    match cache.look_up(DIGEST) {
        Lookup::Damaged(detail) => detail,
        other => panic!("not damaged: {other:?}"),
    }
}

#[test]
fn an_entry_is_found_as_it_was_published() {
    let (_dir, cache) = temporary();
    assert!(matches!(cache.look_up(DIGEST), Lookup::Absent));
    let published = build(&cache, "memory");
    let Lookup::Found(found) = cache.look_up(DIGEST) else { panic!("absent") };
    assert_eq!(found.metadata, published.metadata);
    assert_eq!(found.metadata.size_bytes(), 7);
    assert_eq!(verify(&found), Ok(()));
}

#[test]
fn missing_cut_and_altered_files_are_noticed_and_a_new_build_replaces_the_entry() {
    let (_dir, cache) = temporary();
    let entry = build(&cache, "memory");
    let memory = entry.dir.join("snapshot/blobs/memory");

    fs::write(&memory, "mem").expect("writable");
    assert_eq!(damage(&cache), "snapshot/blobs/memory has 3 bytes, not 6");
    fs::remove_file(&memory).expect("exists");
    assert_eq!(damage(&cache), "snapshot/blobs/memory: No such file or directory (os error 2)");

    let entry = build(&cache, "memory");
    let metadata = entry.dir.join("image.json");
    let text = fs::read_to_string(&metadata).expect("readable");
    fs::write(&metadata, text.replace("\"abi\": 0", "\"abi\": 7")).expect("writable");
    assert_eq!(damage(&cache), "image.json does not match its checksum");
    fs::write(&metadata, &text[..text.len() / 2]).expect("writable");
    assert!(damage(&cache).starts_with("image.json: EOF"));

    build(&cache, "memory");
    assert!(matches!(cache.look_up(DIGEST), Lookup::Found(_)));
}

#[test]
fn an_altered_file_of_the_same_size_is_noticed_by_verify_only() {
    let (_dir, cache) = temporary();
    let entry = build(&cache, "memory");
    fs::write(entry.dir.join("snapshot/index"), "j").expect("writable");
    assert!(matches!(cache.look_up(DIGEST), Lookup::Found(_)));
    assert!(verify(&entry).expect_err("altered").starts_with("snapshot/index has SHA-256"));
}

#[test]
fn the_entry_that_is_most_like_an_image_has_its_interpreter_most_of_its_packages_and_few_others() {
    let (_dir, cache) = temporary();
    let like = |packages: &[&str]| {
        cache.most_like(&described('f', "3.11.7", packages)).map(|entry| entry.metadata.digest)
    };
    assert_eq!(like(&[]), None);
    let other_python = add(&cache, 'a', "3.12.1", &["numpy", "pandas"]);
    assert_eq!(like(&["numpy"]), Some(other_python));
    let bare = add(&cache, 'b', "3.11.7", &[]);
    let numpy = add(&cache, 'c', "3.11.7", &["numpy"]);
    let pandas = add(&cache, 'd', "3.11.7", &["numpy", "pandas", "tzdata"]);
    assert_eq!(like(&["requests"]), Some(bare.clone()));
    assert_eq!(like(&["numpy", "scipy"]), Some(numpy));
    assert_eq!(like(&["numpy", "pandas"]), Some(pandas.clone()));
    fs::write(cache.entry_dir(&pandas).join("snapshot/memory"), "").expect("writable");
    assert_eq!(like(&["pandas"]), Some(bare));
}

#[test]
fn what_a_killed_build_left_is_removed_by_the_next_one() {
    let (_dir, cache) = temporary();
    let lock = cache.lock(|| ControlFlow::Continue(())).expect("lockable");
    let left = cache.staging(&lock).expect("writable").keep();
    fs::write(left.join("half"), "").expect("writable");
    drop(lock);
    build(&cache, "memory");
    assert!(!left.exists());
}

#[test]
fn only_one_builds_at_a_time_and_a_waiting_one_can_be_cancelled() {
    let (_dir, cache) = temporary();
    let lock = cache.lock(|| ControlFlow::Continue(())).expect("lockable");
    let waited = AtomicU32::new(0);
    let refused = cache.lock(|| {
        if waited.fetch_add(1, Ordering::Relaxed) < 2 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    });
    assert!(matches!(refused, Err(ImageError::Cancelled)));
    drop(lock);
    assert!(cache.lock(|| ControlFlow::Break(())).is_ok());
}

#[test]
fn the_cache_is_private_to_its_owner() {
    let (_dir, cache) = temporary();
    let entry = build(&cache, "memory");
    for dir in [cache.root.clone(), cache.images(), entry.dir] {
        assert_eq!(fs::metadata(&dir).expect("exists").mode() & 0o777, 0o700, "{}", dir.display());
    }
}

#[test]
fn a_directory_that_others_may_write_to_is_refused() {
    let (dir, cache) = temporary();
    drop(cache);
    let root = dir.path().join("cache");
    fs::set_permissions(&root, Permissions::from_mode(0o777)).expect("own directory");
    let error = Cache::open(&root).expect_err("writable by others").to_string();
    assert_eq!(
        error,
        format!(
            "cannot use the image cache {}: others may write to it (mode 777), and what is in it is trusted; \
             set HYPERCELL_CACHE_DIR to a directory of your own",
            root.display()
        )
    );
}

#[test]
fn a_file_or_a_relative_path_is_refused() {
    let (dir, _cache) = temporary();
    let file = dir.path().join("file");
    fs::write(&file, "").expect("writable");
    assert!(matches!(Cache::open(&file), Err(ImageError::Cache { .. })));
    assert!(matches!(Cache::open(&file.join("below")), Err(ImageError::Cache { .. })));
    assert!(matches!(Cache::open(Path::new("relative")), Err(ImageError::Cache { .. })));
}
