//! Frames of HTTP: a request of the program in parts, and its response in parts.
//!
//! Guarantees and limits as in [`super`]; the headers of a message are bounded in number and, names and values together,
//! in bytes. It must never look into a URL, a method or a header: that is for the host's gate.
//!
//! Before: `message`. After: the guest asks with four of them, the host answers with the other four.

use alloc::vec::Vec;

use super::TEXT;
use crate::error::WireError;
use crate::fields::{Reader, Writer};
use crate::limits::{
    MAX_HTTP_HEADER_BYTES, MAX_HTTP_HEADERS, MAX_HTTP_METHOD_BYTES, MAX_HTTP_PART_BYTES, MAX_HTTP_URL_BYTES,
};

/// Name and value of a header. A value is bytes, as in HTTP.
pub type HttpHeader<'a> = (&'a str, &'a [u8]);

/// A request, or its first part. Answered by HttpAck if more follows, else by HttpHead or HttpError.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSend<'a> {
    /// Chosen by the guest; every frame of this exchange has it.
    pub id: u64,
    /// Such as `GET`.
    pub method: &'a str,
    /// An absolute URL.
    pub url: &'a str,
    /// At most [`MAX_HTTP_HEADERS`].
    pub headers: Vec<HttpHeader<'a>>,
    /// The first bytes of the body.
    pub body: &'a [u8],
    /// Whether HttpPart follows with more of the body.
    pub more: bool,
    /// How many redirects the host follows; at 0 the guest gets the redirecting response itself.
    pub redirects: u64,
    /// Longest wait for the head of the response in nanoseconds, if there is one.
    pub timeout_ns: Option<u64>,
}

/// More of a request's body. Answered as HttpSend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpPart<'a> {
    /// That of HttpSend.
    pub id: u64,
    /// The next bytes of the body.
    pub body: &'a [u8],
    /// Whether more follows.
    pub more: bool,
}

/// Wants more of a response's body. Answered by HttpBody or HttpError.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpRead {
    /// That of HttpSend.
    pub id: u64,
    /// Bytes wanted at most.
    pub max_bytes: u64,
    /// Longest wait in nanoseconds, if there is one.
    pub timeout_ns: Option<u64>,
}

/// Status and headers of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpHead<'a> {
    /// That of HttpSend.
    pub id: u64,
    /// 100 to 999.
    pub status: u64,
    /// The URL that answered, after redirects.
    pub url: &'a str,
    /// At most [`MAX_HTTP_HEADERS`].
    pub headers: Vec<HttpHeader<'a>>,
}

/// Bytes of a response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpBody<'a> {
    /// That of HttpSend.
    pub id: u64,
    /// The next bytes.
    pub body: &'a [u8],
    /// Whether these are the last; the id is free again then.
    pub end: bool,
}

/// Why there is no response, or no more of it. The exchange is over, unless the frame only came at the wrong time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpError<'a> {
    /// That of HttpSend.
    pub id: u64,
    /// One word, of those that `docs/abi.md` lists.
    pub kind: &'a str,
    /// What happened, for people.
    pub message: &'a str,
}

impl<'a> HttpSend<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("id").uint(self.id);
        w.key("method").text("method", self.method, MAX_HTTP_METHOD_BYTES)?;
        w.key("url").text("url", self.url, MAX_HTTP_URL_BYTES)?;
        write_headers(w, &self.headers)?;
        w.key("body").bytes("body", self.body, MAX_HTTP_PART_BYTES)?;
        w.key("more").bool(self.more);
        w.key("redirects").uint(self.redirects);
        w.key("timeout").uint_or_null(self.timeout_ns);
        Ok(())
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut id, mut method, mut url, mut headers) = (None, None, None, None);
        let (mut body, mut more, mut redirects, mut timeout) = (None, None, None, None);
        r.map(|key, r| match key {
            "id" => r.once(&mut id, "id", |r, _| r.uint()),
            "method" => r.once(&mut method, "method", |r, f| r.text(f, MAX_HTTP_METHOD_BYTES)),
            "url" => r.once(&mut url, "url", |r, f| r.text(f, MAX_HTTP_URL_BYTES)),
            "headers" => r.once(&mut headers, "headers", read_headers),
            "body" => r.once(&mut body, "body", |r, f| r.bytes(f, MAX_HTTP_PART_BYTES)),
            "more" => r.once(&mut more, "more", |r, _| r.bool()),
            "redirects" => r.once(&mut redirects, "redirects", |r, _| r.uint()),
            "timeout" => r.once(&mut timeout, "timeout", |r, _| r.uint_or_null()),
            _ => Ok(false),
        })?;
        Ok(Self {
            id: r.need(id, "id")?,
            method: r.need(method, "method")?,
            url: r.need(url, "url")?,
            headers: r.need(headers, "headers")?,
            body: r.need(body, "body")?,
            more: r.need(more, "more")?,
            redirects: r.need(redirects, "redirects")?,
            timeout_ns: r.need(timeout, "timeout")?,
        })
    }
}

impl<'a> HttpPart<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        write_part(w, self.id, self.body, "more", self.more)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (id, body, more) = read_part(r, "more")?;
        Ok(Self { id, body, more })
    }
}

impl HttpRead {
    pub(super) fn write(self, w: &mut Writer) {
        w.key("id").uint(self.id);
        w.key("max").uint(self.max_bytes);
        w.key("timeout").uint_or_null(self.timeout_ns);
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, WireError> {
        let (mut id, mut max, mut timeout) = (None, None, None);
        r.map(|key, r| match key {
            "id" => r.once(&mut id, "id", |r, _| r.uint()),
            "max" => r.once(&mut max, "max", |r, _| r.uint()),
            "timeout" => r.once(&mut timeout, "timeout", |r, _| r.uint_or_null()),
            _ => Ok(false),
        })?;
        let (id, max_bytes) = (r.need(id, "id")?, r.need(max, "max")?);
        Ok(Self { id, max_bytes, timeout_ns: r.need(timeout, "timeout")? })
    }
}

impl<'a> HttpHead<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("id").uint(self.id);
        w.key("status").uint(self.status);
        w.key("url").text("url", self.url, MAX_HTTP_URL_BYTES)?;
        write_headers(w, &self.headers)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut id, mut status, mut url, mut headers) = (None, None, None, None);
        r.map(|key, r| match key {
            "id" => r.once(&mut id, "id", |r, _| r.uint()),
            "status" => r.once(&mut status, "status", |r, _| r.uint()),
            "url" => r.once(&mut url, "url", |r, f| r.text(f, MAX_HTTP_URL_BYTES)),
            "headers" => r.once(&mut headers, "headers", read_headers),
            _ => Ok(false),
        })?;
        let (id, status) = (r.need(id, "id")?, r.need(status, "status")?);
        Ok(Self { id, status, url: r.need(url, "url")?, headers: r.need(headers, "headers")? })
    }
}

impl<'a> HttpBody<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        write_part(w, self.id, self.body, "end", self.end)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (id, body, end) = read_part(r, "end")?;
        Ok(Self { id, body, end })
    }
}

impl<'a> HttpError<'a> {
    pub(super) fn write(&self, w: &mut Writer) -> Result<(), WireError> {
        w.key("id").uint(self.id);
        w.key("kind").text("kind", self.kind, TEXT)?;
        w.key("msg").text("msg", self.message, TEXT)
    }

    pub(super) fn read(r: &mut Reader<'a>) -> Result<Self, WireError> {
        let (mut id, mut kind, mut message) = (None, None, None);
        r.map(|key, r| match key {
            "id" => r.once(&mut id, "id", |r, _| r.uint()),
            "kind" => r.once(&mut kind, "kind", |r, f| r.text(f, TEXT)),
            "msg" => r.once(&mut message, "msg", |r, f| r.text(f, TEXT)),
            _ => Ok(false),
        })?;
        let (id, kind) = (r.need(id, "id")?, r.need(kind, "kind")?);
        Ok(Self { id, kind, message: r.need(message, "msg")? })
    }
}

/// Reads the only key of HttpClose and of HttpAck.
pub(super) fn read_id(r: &mut Reader<'_>) -> Result<u64, WireError> {
    let mut id = None;
    r.map(|key, r| match key {
        "id" => r.once(&mut id, "id", |r, _| r.uint()),
        _ => Ok(false),
    })?;
    r.need(id, "id")
}

fn write_part(
    w: &mut Writer,
    id: u64,
    body: &[u8],
    flag: &'static str,
    is_set: bool,
) -> Result<(), WireError> {
    w.key("id").uint(id);
    w.key("body").bytes("body", body, MAX_HTTP_PART_BYTES)?;
    w.key(flag).bool(is_set);
    Ok(())
}

fn read_part<'a>(r: &mut Reader<'a>, flag: &'static str) -> Result<(u64, &'a [u8], bool), WireError> {
    let (mut id, mut body, mut is_set) = (None, None, None);
    r.map(|key, r| match key {
        "id" => r.once(&mut id, "id", |r, _| r.uint()),
        "body" => r.once(&mut body, "body", |r, f| r.bytes(f, MAX_HTTP_PART_BYTES)),
        key if key == flag => r.once(&mut is_set, flag, |r, _| r.bool()),
        _ => Ok(false),
    })?;
    Ok((r.need(id, "id")?, r.need(body, "body")?, r.need(is_set, flag)?))
}

fn write_headers(w: &mut Writer, headers: &[HttpHeader<'_>]) -> Result<(), WireError> {
    check_size(headers)?;
    w.key("headers").list("headers", headers, MAX_HTTP_HEADERS, |w, header| {
        w.text_and_bytes("header", *header, MAX_HTTP_HEADER_BYTES)
    })
}

fn read_headers<'a>(r: &mut Reader<'a>, field: &'static str) -> Result<Vec<HttpHeader<'a>>, WireError> {
    let headers = r.list(field, MAX_HTTP_HEADERS, |r| r.text_and_bytes("header", MAX_HTTP_HEADER_BYTES))?;
    check_size(&headers)?;
    Ok(headers)
}

fn check_size(headers: &[HttpHeader<'_>]) -> Result<(), WireError> {
    let sizes = headers.iter().map(|(name, value)| name.len().saturating_add(value.len()));
    let len_bytes = sizes.fold(0, usize::saturating_add);
    if len_bytes <= MAX_HTTP_HEADER_BYTES {
        return Ok(());
    }
    Err(WireError::FieldTooLong { field: "headers", len_bytes, max_bytes: MAX_HTTP_HEADER_BYTES })
}
