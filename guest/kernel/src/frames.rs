//! Physical page frames of scratch.
//!
//! Guarantees: a frame handed out has one owner, and is zeroed unless its taker overwrites it. State lives in the per-VM page, because the fault handler
//! allocates while kernel pages themselves are still copy-on-write.
//!
//! Before: arch. After: paging, heap.

use hyperlight_common::layout;

use crate::arch::{PAGE, metadata, phys_read, phys_write, state, zero_frame};

/// Starts anew: at boot and after each restore, when scratch is empty again.
pub fn reset() {
    let s = state();
    s.scratch_start.set(layout::scratch_base_gpa(metadata(layout::SCRATCH_TOP_SIZE_OFFSET) as usize));
    s.frame_next.set(metadata(layout::SCRATCH_TOP_ALLOCATOR_OFFSET));
    s.frame_limit.set(layout::scratch_allocator_limit_gpa());
    s.frame_free.set(0);
    s.frames_used.set(0);
    s.frames_peak.set(0);
    set_spare(core::iter::empty());
}

/// Hands over ranges of frames that hold something which nobody needs, as `alloc_dirty` gives them out.
pub fn set_spare(ranges: impl Iterator<Item = (u64, u64)>) {
    for (spare, (start, end)) in state().spare.iter().zip(ranges.chain(core::iter::repeat((0, 0)))) {
        spare[0].set(start);
        spare[1].set(end);
    }
}

/// Takes a frame that the caller overwrites as a whole: it may hold anything.
///
/// The host has written to spare frames already, so they cost no memory of their own.
pub fn alloc_dirty() -> Option<u64> {
    let Some(gpa) = take_spare() else { return alloc() };
    count_one();
    Some(gpa)
}

fn take_spare() -> Option<u64> {
    let spare = state().spare.iter().find(|spare| spare[0] != spare[1])?;
    Some(spare[0].replace(spare[0].get() + PAGE))
}

fn count_one() {
    let s = state();
    s.frames_used.set(s.frames_used.get() + 1);
    s.frames_peak.set(s.frames_peak.get().max(s.frames_used.get()));
}

/// Takes a zeroed frame; `None` when scratch is used up.
pub fn alloc() -> Option<u64> {
    let s = state();
    let free = s.frame_free.get();
    let gpa = if free != 0 {
        s.frame_free.set(phys_read(free));
        zero_frame(free);
        free
    } else {
        let next = s.frame_next.get();
        if next + PAGE <= s.frame_limit.get() {
            s.frame_next.set(next + PAGE);
            next
        } else {
            let spare = take_spare()?;
            zero_frame(spare);
            spare
        }
    };
    count_one();
    Some(gpa)
}

/// Returns a frame. Its old translation must be flushed before the frame is used again (mm.rs does).
pub fn free(gpa: u64) {
    let s = state();
    phys_write(gpa, s.frame_free.get());
    s.frame_free.set(gpa);
    s.frames_used.set(s.frames_used.get().saturating_sub(1));
}

/// Frames that can still be taken, not counting returned ones.
pub fn available() -> u64 {
    let s = state();
    let spare: u64 = s.spare.iter().map(|spare| spare[1].get() - spare[0].get()).sum();
    (s.frame_limit.get() - s.frame_next.get() + spare) / PAGE
}
