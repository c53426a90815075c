//! The hypervisor library's transport: one call in, one result out, over two virtqueues in scratch.
//!
//! What it is: the guest side of Hyperlight's "call a guest function", for the one function that exists, and of "call a
//! host function", for the one that answers in the middle of a call; a byte string each way. `hyperlight_guest`'s own context maps every received buffer through an alias and reads CR3, which
//! ring 3 may not; this one copies. Guarantees: memory accesses stay in scratch. Never: looks inside the bytes.
//!
//! Before: arch. After: channel.

use alloc::vec::Vec;
use core::num::NonZeroU16;

use hyperlight_common::flatbuffer_wrappers::function_call::{FunctionCall, FunctionCallType};
use hyperlight_common::flatbuffer_wrappers::function_types::{
    Bytes, FunctionCallResult, ParameterValue, ReturnType, ReturnValue,
};
use hyperlight_common::layout::{self, QueueDims, TransportArena};
use hyperlight_common::transport::{
    Buf, EncodedMessage, ExternalValues, MailboxValue, MsgHeader, MsgKind, size_prefix_payload_len,
    size_prefixed_len,
};
use hyperlight_common::virtq::{
    BufferLease, BufferMap, G2H_LOWER_SLOT_COUNT, G2H_LOWER_SLOT_SIZE, Layout, MemOps, Notifier, QueueStats,
    Segments, SlotLayout, SlotPool, UsedChain, VirtqProducer,
};
use hyperlight_common::vmem::PAGE_SIZE;

use crate::arch;

/// Data of an answer that fits one buffer of the transport with everything else.
const MAX_SMALL_ROOM: usize = 12 * 1024;
/// Name of the host's one function.
const ASK_FUNCTION: &str = hypercell_abi::link::ASK_FUNCTION;

/// The transport broke its own rules: nothing can be said to the host any more.
#[derive(Clone, Copy, Debug)]
pub struct LinkError(pub &'static str);

/// What an entry brings.
#[derive(Debug)]
pub enum Entry {
    /// Bytes for the one guest function, and the number its result must carry.
    Call(u32, Vec<u8>),
    /// Get ready for a snapshot.
    Checkpoint,
}

/// Scratch by guest-virtual address, accessed through the alias.
#[derive(Clone, Copy, Debug)]
struct ScratchMem;

/// A virtqueue address that is not in scratch.
#[derive(Clone, Copy, Debug)]
struct BadAddress;

const GVA_TO_GPA: u64 = (layout::SCRATCH_TOP_GVA as u64).wrapping_sub(layout::SCRATCH_TOP_GPA as u64);

fn gpa(address: u64, len: usize) -> Result<u64, BadAddress> {
    let first = address.wrapping_sub(GVA_TO_GPA);
    let last = first.checked_add(len.max(1) as u64 - 1).ok_or(BadAddress)?;
    (arch::is_scratch(first) && arch::is_scratch(last)).then_some(first).ok_or(BadAddress)
}

#[expect(unsafe_code, reason = "the trait is unsafe to implement")]
// SAFETY: every access is bounded to scratch and copies, or is an aligned atomic; no reference to scratch is handed out.
unsafe impl MemOps for ScratchMem {
    type Error = BadAddress;

    fn read(&self, addr: u64, dst: &mut [u8]) -> Result<(), BadAddress> {
        arch::phys_copy_out(gpa(addr, dst.len())?, dst);
        Ok(())
    }

    fn write(&self, addr: u64, src: &[u8]) -> Result<(), BadAddress> {
        arch::phys_copy_in(gpa(addr, src.len())?, src);
        Ok(())
    }

    fn load_acquire(&self, addr: u64) -> Result<u16, BadAddress> {
        let flag = arch::phys_atomic_u16(gpa(addr, 2)?).ok_or(BadAddress)?;
        Ok(flag.load(core::sync::atomic::Ordering::Acquire))
    }

    fn store_release(&self, addr: u64, val: u16) -> Result<(), BadAddress> {
        let flag = arch::phys_atomic_u16(gpa(addr, 2)?).ok_or(BadAddress)?;
        flag.store(val, core::sync::atomic::Ordering::Release);
        Ok(())
    }

    unsafe fn as_slice(&self, _: u64, _: usize) -> Result<&[u8], BadAddress> {
        Err(BadAddress)
    }

    unsafe fn as_mut_slice(&self, _: u64, _: usize) -> Result<&mut [u8], BadAddress> {
        Err(BadAddress)
    }
}

#[expect(unsafe_code, reason = "the trait method is unsafe")]
impl BufferMap for ScratchMem {
    type Mapping = Vec<u8>;

    unsafe fn map_buffer(&self, lease: BufferLease, written: usize) -> Result<Vec<u8>, BadAddress> {
        let mut bytes = alloc::vec![0; written.min(lease.allocation().len as usize)];
        self.read(lease.allocation().addr, &mut bytes)?;
        Ok(bytes)
    }
}

/// The host reads the queues when the VM halts; nobody needs a notice.
#[derive(Clone, Copy, Debug)]
struct NoNotice;

impl Notifier for NoNotice {
    fn notify(&self, _: QueueStats) {}
}

type Queue = VirtqProducer<ScratchMem, NoNotice>;

/// Both queues, and the mailbox that tells the host a checkpoint is ready.
#[expect(missing_debug_implementations, reason = "the queues of the library have none")]
pub struct Link {
    to_host: Queue,
    to_guest: Queue,
    to_guest_slot_bytes: usize,
    to_host_slot_bytes: usize,
    mailbox: u64,
    generation: u64,
    /// Number of the last question.
    asked: u32,
}

impl Link {
    /// Builds both queues where the host's metadata says and posts the receive buffers.
    pub fn new() -> Result<Self, LinkError> {
        let bad = LinkError("transport layout");
        let read = |offset| arch::metadata(offset) as usize;
        let to_host_dims = QueueDims::new(
            read(layout::SCRATCH_TOP_G2H_QUEUE_SIZE_OFFSET),
            read(layout::SCRATCH_TOP_G2H_POOL_PAGES_OFFSET),
        )
        .ok_or(bad)?;
        let to_guest_dims = QueueDims::new(
            read(layout::SCRATCH_TOP_H2G_QUEUE_SIZE_OFFSET),
            read(layout::SCRATCH_TOP_H2G_POOL_PAGES_OFFSET),
        )
        .ok_or(bad)?;
        let to_host_slot = read(layout::SCRATCH_TOP_G2H_BUFFER_SIZE_OFFSET);
        let to_guest_slot = read(layout::SCRATCH_TOP_H2G_BUFFER_SIZE_OFFSET);
        let base = arch::metadata(layout::SCRATCH_TOP_TRANSPORT_ARENA_GPA_OFFSET).wrapping_add(GVA_TO_GPA);
        let arena = TransportArena::new(base, to_host_dims, to_guest_dims).ok_or(bad)?;

        // One page of small slots for short messages, the rest in large ones: what the host expects of this pool.
        let small = SlotLayout::new(arena.g2h_pool_addr(), G2H_LOWER_SLOT_SIZE, G2H_LOWER_SLOT_COUNT)
            .map_err(|_| bad)?;
        let rest = to_host_dims.pool_len() - PAGE_SIZE;
        let large = SlotLayout::new(small.end_addr(), to_host_slot, rest / to_host_slot).map_err(|_| bad)?;
        let to_host_pool = SlotPool::new_tiered(small, large).map_err(|_| bad)?;
        let slots =
            SlotLayout::new(arena.h2g_pool_addr(), to_guest_slot, to_guest_dims.pool_len() / to_guest_slot)
                .map_err(|_| bad)?;
        let to_guest_pool = SlotPool::new(slots).map_err(|_| bad)?;

        let mut link = Self {
            to_host: Queue::new(
                ring(arena.g2h_ring_addr(), to_host_dims.size())?,
                ScratchMem,
                NoNotice,
                to_host_pool,
            ),
            to_guest: Queue::new(
                ring(arena.h2g_ring_addr(), to_guest_dims.size())?,
                ScratchMem,
                NoNotice,
                to_guest_pool,
            ),
            to_guest_slot_bytes: to_guest_slot,
            to_host_slot_bytes: to_host_slot,
            mailbox: arena.mbx_addr(),
            generation: arch::metadata(layout::SCRATCH_TOP_SNAPSHOT_GENERATION_OFFSET),
            asked: 0,
        };
        link.post_buffers()?;
        link.write_mailbox(MailboxValue::CheckpointComplete)?;
        Ok(link)
    }

    /// Gives every free receive slot to the host.
    fn post_buffers(&mut self) -> Result<(), LinkError> {
        let mut batch = self.to_guest.batch();
        loop {
            match batch
                .chain()
                .writable(self.to_guest_slot_bytes)
                .build()
                .and_then(|chain| batch.submit(chain))
            {
                Ok(_) => {}
                Err(error) if error.is_transient() => {
                    batch.finish_without_notify();
                    return Ok(());
                }
                Err(_) => return Err(LinkError("cannot post receive buffers")),
            }
        }
    }

    fn write_mailbox(&self, value: MailboxValue) -> Result<(), LinkError> {
        ScratchMem.write(self.mailbox, value.as_bytes()).map_err(|_| LinkError("mailbox outside scratch"))
    }

    /// Takes what the host brought with this entry.
    pub fn receive(&mut self) -> Result<Entry, LinkError> {
        self.refresh()?;
        self.to_host.reclaim().map_err(|_| LinkError("reclaim of sent buffers"))?;
        let mut payload = self.next_buffer()?;
        let header =
            payload.split_to(MsgHeader::SIZE).ok_or(LinkError("message without header"))?.into_bytes();
        let header = MsgHeader::from_bytes(&header).ok_or(LinkError("bad message header"))?;
        match header.kind {
            MsgKind::SnapshotCheckpoint => return Ok(Entry::Checkpoint),
            MsgKind::Request => {}
            _ => return Err(LinkError("unexpected message kind")),
        }
        while payload.len() < header.payload_len as usize {
            payload.append(self.next_buffer()?);
        }
        let control = split_control(&mut payload)?;
        let call =
            FunctionCall::decode(&control, &mut payload).map_err(|_| LinkError("call does not decode"))?;
        match call.parameters.and_then(|mut p| p.pop()) {
            Some(ParameterValue::VecBytes(bytes)) => Ok(Entry::Call(header.cid, bytes)),
            _ => Err(LinkError("call without bytes")),
        }
    }

    fn next_buffer(&mut self) -> Result<Segments, LinkError> {
        match self.to_guest.poll() {
            Ok(Some(UsedChain::Data(_, segments))) => Ok(segments),
            _ => Err(LinkError("no message")),
        }
    }

    /// After a restore, slots that were in use when the snapshot was taken are free again.
    fn refresh(&mut self) -> Result<(), LinkError> {
        let generation = arch::metadata(layout::SCRATCH_TOP_SNAPSHOT_GENERATION_OFFSET);
        if self.generation == generation {
            return Ok(());
        }
        self.generation = generation;
        #[expect(unsafe_code, reason = "the library leaves the precondition to its caller")]
        // SAFETY: received buffers are copied at once, so no view of a slot is alive, and the host waits.
        unsafe {
            self.to_host.reclaim_slots().map_err(|_| LinkError("pool recovery"))?;
            self.to_guest.reclaim_slots().map_err(|_| LinkError("pool recovery"))?;
        }
        Ok(())
    }

    /// Queues the result of call `id`; the halt that follows hands it over.
    pub fn send(&mut self, id: u32, bytes: Vec<u8>) -> Result<(), LinkError> {
        let result = FunctionCallResult::new(Ok(ReturnValue::VecBytes(bytes)));
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let mut externals = ExternalValues::new();
        let control =
            result.encode(&mut builder, &mut externals).map_err(|_| LinkError("result does not encode"))?;
        let message = EncodedMessage::new(MsgKind::Response, id, control, externals)
            .ok_or(LinkError("result too long"))?;
        let mut chain = self
            .to_host
            .chain()
            .readable(message.total_len())
            .build()
            .map_err(|_| LinkError("no room to send"))?;
        for chunk in message.chunks() {
            chain.write_all(chunk).map_err(|_| LinkError("short send buffer"))?;
        }
        let mut batch = self.to_host.batch();
        batch.submit(chain).map_err(|_| LinkError("submit"))?;
        batch.finish_without_notify();
        self.post_buffers()
    }

    /// Asks the host without leaving its call, and returns its answer. `room` is how many bytes of data it may bring, beside
    /// one buffer of the transport for everything else.
    pub fn ask(&mut self, bytes: Vec<u8>, room: usize) -> Result<Vec<u8>, LinkError> {
        self.asked = self.asked.wrapping_add(1).max(1);
        let call = FunctionCall::new(
            ASK_FUNCTION.into(),
            Some(alloc::vec![ParameterValue::VecBytes(bytes)]),
            FunctionCallType::Host,
            ReturnType::VecBytes,
        );
        let mut builder = flatbuffers::FlatBufferBuilder::new();
        let mut externals = ExternalValues::new();
        let control =
            call.encode(&mut builder, &mut externals).map_err(|_| LinkError("question does not encode"))?;
        let message = EncodedMessage::new(MsgKind::Request, self.asked, control, externals)
            .ok_or(LinkError("question too long"))?;
        let mut chain = self
            .to_host
            .chain()
            .readable(message.total_len())
            .writable(self.to_host_slot_bytes + room.saturating_sub(MAX_SMALL_ROOM))
            .build()
            .map_err(|_| LinkError("no room to ask"))?;
        for chunk in message.chunks() {
            chain.write_all(chunk).map_err(|_| LinkError("short question buffer"))?;
        }
        let mut batch = self.to_host.batch();
        batch.submit(chain).map_err(|_| LinkError("submit"))?;
        batch.finish_without_notify();
        arch::ring_host();
        self.take_answer()
    }

    fn take_answer(&mut self) -> Result<Vec<u8>, LinkError> {
        let mut payload = loop {
            match self.to_host.poll() {
                Ok(Some(UsedChain::Data(_, segments))) => break segments,
                // What was sent before.
                Ok(Some(UsedChain::Ack(_))) => {}
                _ => return Err(LinkError("no answer")),
            }
        };
        let header =
            payload.split_to(MsgHeader::SIZE).ok_or(LinkError("answer without header"))?.into_bytes();
        let header = MsgHeader::from_bytes(&header).ok_or(LinkError("bad answer header"))?;
        if header.kind != MsgKind::Response || header.cid != self.asked {
            return Err(LinkError("unexpected answer"));
        }
        let control = split_control(&mut payload)?;
        let result = FunctionCallResult::decode(&control, &mut payload)
            .map_err(|_| LinkError("answer does not decode"))?;
        match result.into_inner() {
            Ok(ReturnValue::VecBytes(bytes)) => Ok(bytes),
            _ => Err(LinkError("the host does not answer")),
        }
    }

    /// Empties and restarts both queues for a snapshot and tells the host so.
    pub fn prepare_checkpoint(&mut self) -> Result<(), LinkError> {
        self.to_host.reclaim().map_err(|_| LinkError("reclaim of sent buffers"))?;
        #[expect(unsafe_code, reason = "the library leaves the precondition to its caller")]
        // SAFETY: the host asked for the checkpoint and does not touch the queues until the VM halts.
        unsafe {
            self.to_host.reset().map_err(|_| LinkError("reset"))?;
            self.to_guest.reset().map_err(|_| LinkError("reset"))?;
        }
        self.post_buffers()?;
        self.write_mailbox(MailboxValue::CheckpointComplete)
    }
}

/// Splits off the part of a message that says how its byte strings follow.
fn split_control(payload: &mut Segments) -> Result<Bytes, LinkError> {
    let mut prefix = [0; 4];
    payload.as_buf().try_copy_to_slice(&mut prefix).map_err(|_| LinkError("message without prefix"))?;
    let control_len = size_prefix_payload_len(&prefix)
        .and_then(size_prefixed_len)
        .ok_or(LinkError("bad message prefix"))?;
    Ok(payload.split_to(control_len).ok_or(LinkError("message cut short"))?.into_bytes())
}

fn ring(address: u64, size: NonZeroU16) -> Result<Layout, LinkError> {
    #[expect(unsafe_code, reason = "the library leaves the precondition to its caller")]
    // SAFETY: the arena lies in scratch, which stays mapped, and only these queues use it.
    unsafe { Layout::from_base(address, size) }.map_err(|_| LinkError("ring layout"))
}
