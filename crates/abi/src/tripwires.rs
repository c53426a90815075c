//! A second, literal copy of every number that both sides depend on, compared at compile time.
//!
//! If one of these stops the build, do not edit the number here first. Read "Version" in `docs/abi.md`: a change of
//! the wire needs a new `ABI_VERSION`, new golden files, and a line in the changelog.
//!
//! Before: all other modules. After: nothing; there is no code here at run time.

use crate::{archive, frame, limits, link, value, version};

macro_rules! tripwires {
    ($($path:path = $literal:literal;)*) => {
        $(const _: () = assert!(
            $path == $literal,
            concat!(
                stringify!($path), " is no longer ", stringify!($literal),
                ": this changes the wire, see \"Version\" in docs/abi.md",
            )
        );)*
    };
}

tripwires! {
    version::ABI_VERSION = 1;

    limits::MAX_VALUE_BYTES = 16_777_216;
    limits::MAX_FRAME_BYTES = 16_842_752;
    limits::MAX_VALUE_DEPTH = 64;
    limits::MAX_VALUE_ITEMS = 1_000_000;
    limits::MAX_INT_BYTES = 65_536;
    limits::MAX_TOOL_NAME_BYTES = 128;
    limits::MAX_TOOLS = 1024;
    limits::MAX_CALLS_IN_FLIGHT = 1024;
    limits::MAX_HTTP_METHOD_BYTES = 32;
    limits::MAX_HTTP_URL_BYTES = 16_384;
    limits::MAX_HTTP_HEADERS = 128;
    limits::MAX_HTTP_HEADER_BYTES = 65_536;
    limits::MAX_HTTP_PART_BYTES = 131_072;
    limits::MAX_HTTP_OPEN = 16;
    limits::MAX_CODE_BYTES = 1_048_576;
    limits::MAX_OUTPUT_CHUNK_BYTES = 65_536;
    limits::MAX_MESSAGE_TEXT_BYTES = 65_536;
    limits::MAX_LIST_ENTRIES = 1024;
    limits::MAX_UNSUPPORTED_SYSCALLS = 12;
    limits::MAX_SYSCALL_ARGUMENTS = 6;
    limits::MAX_SYSCALL_TEXT_BYTES = 256;
    limits::MAX_FILE_CHUNK_BYTES = 98_304;
    limits::MAX_FILE_PATH_BYTES = 4095;
    limits::MAX_FILE_NAME_BYTES = 255;
    limits::MAX_LISTED = 256;
    limits::MAX_MOUNTS = 64;
    limits::MAX_ARCHIVE_NAME_BYTES = 255;
    limits::MAX_ARCHIVE_LINK_BYTES = 4095;
    limits::MAX_HOT_SET_BYTES = 32_768;
    limits::MAX_CHUNK_BYTES = 262_144;
    limits::MAX_ANSWER_BYTES = 15_360;

    frame::FRAME_MAGIC = 0x4C45_4348;
    frame::ENTER_MAGIC = 0x4E45_4348;
    frame::EXIT_MAGIC = 0x5845_4348;
    frame::FRAME_HEADER_BYTES = 16;
    frame::ENTER_HEADER_BYTES = 64;
    frame::EXIT_HEADER_BYTES = 80;
    frame::ENTROPY_BYTES = 32;
    frame::ENTER_FRESH_START = 1;
    frame::ENTER_HAS_MOUNTS = 2;
    frame::ENTER_TRACES_SYSCALLS = 4;

    value::TAG_BIGNUM = 2;
    value::TAG_NEGATIVE_BIGNUM = 3;
    value::TAG_UUID = 37;
    value::TAG_SET = 258;
    value::TAG_DATE = 1004;
    value::TAG_TUPLE = 48_000;
    value::TAG_TIME = 48_001;
    value::TAG_TIMEDELTA = 48_002;
    value::TAG_DECIMAL = 48_003;
    value::TAG_FROZENSET = 48_004;
    value::TAG_DATETIME = 48_005;
    value::SIMPLE_FALSE = 20;
    value::SIMPLE_TRUE = 21;
    value::SIMPLE_NULL = 22;

    archive::HEADER_BYTES = 64;
    archive::ENTRY_BYTES = 48;
    archive::PAGE_BYTES = 4096;
}

macro_rules! kind_tripwires {
    ($($name:ident = $code:literal;)*) => {
        $(const _: () = assert!(
            frame::FrameKind::$name.code() == $code,
            concat!(
                "kind ", stringify!($name), " is no longer ", stringify!($code),
                ": this changes the wire, see \"Version\" in docs/abi.md",
            )
        );)*
    };
}

kind_tripwires! {
    RunRequest = 0x0001;
    ToolReply = 0x0002;
    OutputAck = 0x0003;
    Warm = 0x0004;
    Reset = 0x0005;
    ToolReplies = 0x0006;
    Reseed = 0x0007;
    HttpHead = 0x0020;
    HttpBody = 0x0021;
    HttpError = 0x0022;
    HttpAck = 0x0023;
    Boot = 0x0081;
    Checkpoint = 0x0082;
    Resume = 0x0083;
    FileReply = 0x0090;
    Ready = 0x0101;
    Output = 0x0102;
    ToolCall = 0x0103;
    RunDone = 0x0104;
    Warmed = 0x0105;
    ToolWait = 0x0106;
    Reseeded = 0x0107;
    HttpSend = 0x0120;
    HttpPart = 0x0121;
    HttpRead = 0x0122;
    HttpClose = 0x0123;
    Sleep = 0x0181;
    Abort = 0x0182;
    Checkpointed = 0x0183;
    Exited = 0x0184;
    Syscall = 0x0185;
    FileRequest = 0x0190;
}

const _: () = assert!(
    matches!([link::Tag::Last.byte(), link::Tag::More.byte(), link::Tag::Next.byte()], [0, 1, 2]),
    "the tags of chunks changed: this changes the wire, see \"Version\" in docs/abi.md"
);

const _: () = assert!(
    matches!(&archive::MAGIC, b"HCIMG\0\0\x01"),
    "the archive's magic changed: this changes the wire, see \"Version\" in docs/abi.md"
);

const _: () = assert!(
    frame::FrameKind::ALL.len() == 32,
    "a frame kind was added or removed: this changes the wire, see \"Version\" in docs/abi.md"
);
