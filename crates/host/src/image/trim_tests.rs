//! Tests of `trim`: what a build removes, and what it must leave.

use std::fs;
use std::ops::ControlFlow;
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use crate::image::cache::Metadata;
use crate::image::fingerprint::Fingerprint;

const DAY: Duration = Duration::from_hours(24);

fn temporary() -> (TempDir, Cache, BuildLock) {
    let dir = tempfile::tempdir().expect("temporary directory");
    let cache = Cache::open(&dir.path().join("cache")).expect("usable");
    let lock = cache.lock(|| ControlFlow::Continue(())).expect("lockable");
    (dir, cache, lock)
}

/// Makes an entry that nobody has used for so long, and returns its digest.
fn add(cache: &Cache, lock: &BuildLock, digit: char, unused_for: Duration, is_imported: bool) -> String {
    let digest = digit.to_string().repeat(64);
    let built = cache.staging(lock).expect("writable").keep();
    fs::create_dir_all(built.join("snapshot")).expect("writable");
    fs::write(built.join("snapshot/memory"), "m").expect("writable");
    let files = cache.settle(&built).expect("readable");
    let metadata = Metadata { digest: digest.clone(), files, is_imported, ..Metadata::default() };
    let entry = cache.publish(lock, &built, metadata).expect("publishable");
    let file = fs::File::open(entry.dir.join("image.json")).expect("published");
    file.set_modified(SystemTime::now() - unused_for).expect("own file");
    digest
}

/// Has a request lead to an image.
fn want(cache: &Cache, request: &str, digest: &str) {
    cache.make_key_dir().expect("writable");
    Fingerprint::take(Vec::new()).save(digest, &cache.key_file(request)).expect("writable");
}

fn is_there(cache: &Cache, digest: &str) -> bool {
    !matches!(cache.look_up(digest), Lookup::Absent)
}

#[test]
fn an_image_that_a_request_leads_to_goes_after_the_given_time() {
    let (_dir, cache, lock) = temporary();
    let old = add(&cache, &lock, 'a', 31 * DAY, false);
    let recent = add(&cache, &lock, 'b', 29 * DAY, false);
    want(&cache, "old", &old);
    want(&cache, "recent", &recent);
    trim(&cache, &lock, 30 * DAY);
    assert_eq!((is_there(&cache, &old), is_there(&cache, &recent)), (false, true));
    assert_eq!(cache.wanted(), [recent].into());
}

#[test]
fn an_image_in_place_of_which_requests_get_another_goes_after_a_day() {
    let (_dir, cache, lock) = temporary();
    let [older, newer, newest] = [('a', 2 * DAY), ('b', DAY / 2), ('c', 2 * DAY)]
        .map(|(digit, age)| add(&cache, &lock, digit, age, false));
    for digest in [&older, &newer, &newest] {
        want(&cache, "the same", digest);
    }
    trim(&cache, &lock, 30 * DAY);
    assert_eq!([&older, &newer, &newest].map(|digest| is_there(&cache, digest)), [false, true, true]);
}

#[test]
fn an_image_whose_interpreter_is_gone_goes_after_a_day() {
    let (dir, cache, lock) = temporary();
    let interpreter = dir.path().join("python");
    fs::write(&interpreter, "").expect("writable");
    let digest = add(&cache, &lock, 'a', 2 * DAY, false);
    cache.make_key_dir().expect("writable");
    let fingerprint = Fingerprint::take(vec![interpreter.clone()]);
    fingerprint.save(&digest, &cache.key_file("request")).expect("writable");
    trim(&cache, &lock, 30 * DAY);
    assert!(is_there(&cache, &digest));
    fs::remove_file(&interpreter).expect("there");
    trim(&cache, &lock, 30 * DAY);
    assert!(!is_there(&cache, &digest));
}

#[test]
fn an_image_that_a_process_has_open_stays_until_it_is_closed() {
    let (_dir, cache, lock) = temporary();
    let digest = add(&cache, &lock, 'a', 31 * DAY, false);
    let (one, other) = (cache.hold(&digest).expect("there"), cache.hold(&digest).expect("there"));
    drop(one);
    trim(&cache, &lock, 30 * DAY);
    assert!(is_there(&cache, &digest));
    drop(other);
    trim(&cache, &lock, 30 * DAY);
    assert!(!is_there(&cache, &digest));
}

#[test]
fn a_process_that_opens_an_image_while_it_is_removed_waits_and_finds_none() {
    let (_dir, cache, lock) = temporary();
    let digest = add(&cache, &lock, 'a', 31 * DAY, false);
    let claim = cache.claim(&digest).expect("nobody has it open");
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| {
            let _held = cache.hold(&digest);
            is_there(&cache, &digest)
        });
        std::thread::sleep(Duration::from_millis(50));
        cache.remove(&lock, &digest).expect("removable");
        drop(claim);
        assert!(!opening.join().expect("no panic"));
    });
}

#[test]
fn an_imported_image_stays_and_a_damaged_one_goes() {
    let (_dir, cache, lock) = temporary();
    let imported = add(&cache, &lock, 'a', 400 * DAY, true);
    let damaged = add(&cache, &lock, 'b', 2 * DAY, false);
    fs::write(cache.entry_dir(&damaged).join("snapshot/memory"), "").expect("writable");
    trim(&cache, &lock, 30 * DAY);
    assert_eq!((is_there(&cache, &imported), is_there(&cache, &damaged)), (true, false));
}
