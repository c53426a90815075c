//! Python values to CBOR.

use hypercell_host::abi::cbor::{Major, write_bytes, write_f64, write_head, write_text};
use hypercell_host::abi::limits::{MAX_INT_BYTES, MAX_VALUE_BYTES, MAX_VALUE_DEPTH, MAX_VALUE_ITEMS};
use hypercell_host::abi::value::{
    SIMPLE_FALSE, SIMPLE_NULL, SIMPLE_TRUE, TAG_BIGNUM, TAG_DATE, TAG_DATETIME, TAG_DECIMAL, TAG_FROZENSET,
    TAG_NEGATIVE_BIGNUM, TAG_SET, TAG_TIME, TAG_TIMEDELTA, TAG_TUPLE, TAG_UUID,
};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySet, PyString, PyTuple, PyType,
};

use super::types::{Types, numpy_class};
use crate::error;

/// Encodes a value. Errors name it `root`.
///
/// # Errors
///
/// `ValueNotSendableError`, or what the value's own code raises beyond `Exception`.
pub(crate) fn encode(value: &Bound<'_, PyAny>, root: &str) -> PyResult<Vec<u8>> {
    let mut encoder = Encoder { types: Types::get(value.py())?, out: Vec::new(), items: 0 };
    let outcome = encoder.value(value, 0, Conversion::Allowed);
    encoder.finish(value.py(), outcome, root)
}

/// Encodes a dict with str keys as one map. Errors name it `root`.
///
/// # Errors
///
/// As [`encode`]; `PolicyError` for a key that is not str.
pub(crate) fn encode_named(dict: &Bound<'_, PyDict>, root: &str) -> PyResult<Vec<u8>> {
    let py = dict.py();
    for key in dict.keys() {
        if !key.is_instance_of::<PyString>() {
            let class = class_name(&key);
            return Err(error::policy(py, &format!("{root} has a key of type {class}, which is not str")));
        }
    }
    let mut encoder = Encoder { types: Types::get(py)?, out: Vec::new(), items: 0 };
    let outcome = encoder.dict(dict.as_any(), dict.items(), 0);
    encoder.finish(py, outcome, root)
}

/// Whether a value may still be asked for a plain form of itself. One that answers with another such value is refused,
/// so that this ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Conversion {
    Allowed,
    Done,
}

/// Why a value was not encoded.
enum Fault {
    /// It, or something in it, is not plain. The path is built from the inside out.
    Unsendable { path: Vec<String>, reason: String, cause: Option<PyErr> },
    /// All of it is too much.
    TooMuch { reason: String },
    /// Its own code raised what must not be swallowed, such as `KeyboardInterrupt`.
    Raised(PyErr),
}

impl Fault {
    fn because(reason: impl Into<String>) -> Self {
        Self::Unsendable { path: Vec::new(), reason: reason.into(), cause: None }
    }

    fn at(mut self, step: impl FnOnce() -> String) -> Self {
        if let Self::Unsendable { path, .. } = &mut self {
            path.push(step());
        }
        self
    }
}

type Encoded = Result<(), Fault>;

struct Encoder {
    types: &'static Types,
    out: Vec<u8>,
    items: usize,
}

impl Encoder {
    fn finish(self, py: Python<'_>, outcome: Encoded, root: &str) -> PyResult<Vec<u8>> {
        let (text, cause) = match outcome.and_then(|()| self.check_room(0)) {
            Ok(()) => return Ok(self.out),
            Err(Fault::Raised(raised)) => return Err(raised),
            Err(Fault::TooMuch { reason }) => (format!("{root}: {reason}"), None),
            Err(Fault::Unsendable { mut path, reason, cause }) => {
                path.reverse();
                (format!("{root}{}: {reason}", path.concat()), cause)
            }
        };
        let unsendable = error::not_sendable(py, &text);
        if cause.is_some() {
            unsendable.set_cause(py, cause);
        }
        Err(unsendable)
    }

    fn value(&mut self, value: &Bound<'_, PyAny>, depth: usize, conversion: Conversion) -> Encoded {
        self.items += 1;
        if self.items > MAX_VALUE_ITEMS {
            return Err(Fault::TooMuch { reason: format!("more than {MAX_VALUE_ITEMS} items") });
        }
        self.check_room(0)?;
        if value.is_none() {
            write_simple(&mut self.out, SIMPLE_NULL);
        } else if let Ok(text) = value.cast::<PyString>() {
            self.text(text)?;
        } else if let Ok(flag) = value.cast::<PyBool>() {
            write_simple(&mut self.out, if flag.is_true() { SIMPLE_TRUE } else { SIMPLE_FALSE });
        } else if let Ok(int) = value.cast::<PyInt>() {
            self.int(int)?;
        } else if let Ok(float) = value.cast::<PyFloat>() {
            write_f64(&mut self.out, float.value());
        } else if let Ok(bytes) = value.cast::<PyBytes>() {
            self.check_room(bytes.as_bytes().len())?;
            write_bytes(&mut self.out, bytes.as_bytes());
        } else if let Ok(list) = value.cast::<PyList>() {
            self.array(list.as_any(), list.len(), depth, |i| list.get_item(i))?;
        } else if let Ok(dict) = value.cast::<PyDict>() {
            let items = match dict.cast_exact::<PyDict>() {
                Ok(exact) => exact.items(),
                // A subclass may keep another order than the dict below it.
                Err(_) => ask(value, || value.cast::<PyMapping>()?.items())?,
            };
            self.dict(value, items, depth)?;
        } else if let Ok(tuple) = value.cast::<PyTuple>() {
            write_tag(&mut self.out, TAG_TUPLE);
            self.array(tuple.as_any(), tuple.len(), depth, |i| tuple.get_item(i))?;
        } else if value.is_instance_of::<PySet>() {
            self.set(value, TAG_SET, depth)?;
        } else if value.is_instance_of::<PyFrozenSet>() {
            self.set(value, TAG_FROZENSET, depth)?;
        } else {
            self.object(value, depth, conversion)?;
        }
        Ok(())
    }

    /// Encodes what is not built in.
    fn object(&mut self, value: &Bound<'_, PyAny>, depth: usize, conversion: Conversion) -> Encoded {
        let py = value.py();
        let types = self.types;
        let is = |class: &Py<PyType>| value.is_instance(class.bind(py)).unwrap_or(false);
        if is(&types.datetime) {
            return self.instant(value, &types.datetime, TAG_DATETIME);
        }
        if is(&types.date) {
            return self.instant(value, &types.date, TAG_DATE);
        }
        if is(&types.time) {
            return self.instant(value, &types.time, TAG_TIME);
        }
        if is(&types.timedelta) {
            return self.timedelta(value);
        }
        if is(&types.decimal) {
            let text = ask(value, || types.decimal.bind(py).call_method1("__str__", (value,)))?;
            return self.tagged_text(&text, TAG_DECIMAL);
        }
        if is(&types.uuid) {
            let bytes = ask(value, || Ok(value.getattr("bytes")?.cast_into::<PyBytes>()?))?;
            if bytes.as_bytes().len() != 16 {
                return Err(cannot_send(value));
            }
            write_tag(&mut self.out, TAG_UUID);
            write_bytes(&mut self.out, bytes.as_bytes());
            return Ok(());
        }
        if conversion == Conversion::Allowed && !value.is_instance_of::<PyType>() {
            let class = value.get_type();
            if class.hasattr("__dataclass_fields__").unwrap_or(false) {
                return self.dataclass(value, depth);
            }
            if let Some(plain) = self.plain_form(value, &class)? {
                // The plain form stands for the value, and was counted with it.
                self.items -= 1;
                return self.value(&plain, depth, Conversion::Done);
            }
        }
        Err(cannot_send(value))
    }

    /// Asks a pydantic model or a numpy value for its plain form.
    fn plain_form<'py>(
        &self,
        value: &Bound<'py, PyAny>,
        class: &Bound<'py, PyType>,
    ) -> Result<Option<Bound<'py, PyAny>>, Fault> {
        let py = value.py();
        if class.hasattr("model_dump").unwrap_or(false) {
            return ask(value, || value.call_method0("model_dump")).map(Some);
        }
        let is = |name| numpy_class(py, name).is_some_and(|numpy| value.is_instance(&numpy).unwrap_or(false));
        if is("generic") {
            return ask(value, || value.call_method0("item")).map(Some);
        }
        if is("ndarray") {
            let size: usize = ask(value, || value.getattr("size")?.extract())?;
            if size > MAX_VALUE_ITEMS {
                return Err(Fault::TooMuch { reason: format!("more than {MAX_VALUE_ITEMS} items") });
            }
            return ask(value, || value.call_method0("tolist")).map(Some);
        }
        Ok(None)
    }

    fn text(&mut self, text: &Bound<'_, PyString>) -> Encoded {
        let utf8 = text.to_str().map_err(|_| Fault::because("cannot send a str with lone surrogates"))?;
        self.check_room(utf8.len())?;
        write_text(&mut self.out, utf8);
        Ok(())
    }

    fn tagged_text(&mut self, text: &Bound<'_, PyAny>, tag: u64) -> Encoded {
        let text = text.cast::<PyString>().map_err(|_| cannot_send(text))?;
        write_tag(&mut self.out, tag);
        self.text(text)
    }

    fn int(&mut self, int: &Bound<'_, PyInt>) -> Encoded {
        if let Ok(small) = int.extract::<i64>() {
            // -1 - n for a negative n is its complement.
            let (major, complement) = if small < 0 { (Major::NegInt, !small) } else { (Major::Uint, small) };
            write_head(&mut self.out, major, complement.unsigned_abs());
            return Ok(());
        }
        let py = int.py();
        let is_negative: bool = ask(int, || int.lt(0))?;
        let magnitude = if is_negative {
            ask(int, || self.types.int_invert.bind(py).call1((int,)))?
        } else {
            int.clone().into_any()
        };
        let bits: usize = ask(int, || self.types.int_bit_length.bind(py).call1((&magnitude,))?.extract())?;
        let len_bytes = bits.div_ceil(8);
        if len_bytes > MAX_INT_BYTES {
            return Err(Fault::because(format!(
                "cannot send an int of {len_bytes} bytes, above {MAX_INT_BYTES}"
            )));
        }
        let bytes = ask(int, || {
            let bytes = self.types.int_to_bytes.bind(py).call1((&magnitude, len_bytes, "big"))?;
            Ok(bytes.cast_into::<PyBytes>()?)
        })?;
        let bytes = bytes.as_bytes();
        if let Ok(word) = <[u8; 8]>::try_from(bytes) {
            let major = if is_negative { Major::NegInt } else { Major::Uint };
            write_head(&mut self.out, major, u64::from_be_bytes(word));
            return Ok(());
        }
        self.check_room(bytes.len())?;
        write_tag(&mut self.out, if is_negative { TAG_NEGATIVE_BIGNUM } else { TAG_BIGNUM });
        write_bytes(&mut self.out, bytes);
        Ok(())
    }

    fn instant(&mut self, value: &Bound<'_, PyAny>, class: &Py<PyType>, tag: u64) -> Encoded {
        let class = class.bind(value.py());
        // pandas' NaT is a datetime that equals nothing, itself included.
        if !value.get_type().is(class) && ask(value, || value.ne(value))? {
            return Err(cannot_send(value));
        }
        let text = ask(value, || class.call_method1("isoformat", (value,)))?;
        self.tagged_text(&text, tag)
    }

    fn timedelta(&mut self, value: &Bound<'_, PyAny>) -> Encoded {
        if ask(value, || value.ne(value))? {
            return Err(cannot_send(value));
        }
        write_tag(&mut self.out, TAG_TIMEDELTA);
        write_head(&mut self.out, Major::Array, 3);
        self.items += 3;
        for name in ["days", "seconds", "microseconds"] {
            let part = ask(value, || Ok(value.getattr(name)?.cast_into::<PyInt>()?))?;
            self.int(&part)?;
        }
        Ok(())
    }

    fn array<'py>(
        &mut self,
        container: &Bound<'py, PyAny>,
        len: usize,
        depth: usize,
        get: impl Fn(usize) -> PyResult<Bound<'py, PyAny>>,
    ) -> Encoded {
        let depth = self.open(Major::Array, len, depth)?;
        for i in 0..len {
            // A value's own code may have shortened the list meanwhile.
            let item = get(i).map_err(|_| changed(container))?;
            self.value(&item, depth, Conversion::Allowed).map_err(|fault| fault.at(|| format!("[{i}]")))?;
        }
        Ok(())
    }

    fn set(&mut self, value: &Bound<'_, PyAny>, tag: u64, depth: usize) -> Encoded {
        // A copy: a set must not change while it is iterated over.
        let list = ask(value, || value.py().get_type::<PyList>().call1((value,)))?;
        let list = list.cast::<PyList>().map_err(|_| cannot_send(value))?;
        write_tag(&mut self.out, tag);
        let depth = self.open(Major::Array, list.len(), depth)?;
        for item in list {
            self.value(&item, depth, Conversion::Allowed).map_err(|fault| fault.at(|| "{}".to_owned()))?;
        }
        Ok(())
    }

    fn dict(&mut self, value: &Bound<'_, PyAny>, items: Bound<'_, PyList>, depth: usize) -> Encoded {
        let depth = self.open(Major::Map, items.len(), depth)?;
        for item in items {
            let (key, item): (Bound<'_, PyAny>, Bound<'_, PyAny>) = ask(value, || item.extract())?;
            self.value(&key, depth, Conversion::Allowed).map_err(|fault| match fault {
                Fault::Unsendable { reason, cause, .. } => {
                    Fault::Unsendable { path: Vec::new(), reason: format!("{reason} as a key"), cause }
                }
                other => other,
            })?;
            self.value(&item, depth, Conversion::Allowed).map_err(|fault| fault.at(|| key_step(&key)))?;
        }
        Ok(())
    }

    fn dataclass(&mut self, value: &Bound<'_, PyAny>, depth: usize) -> Encoded {
        let fields = ask(value, || {
            let fields = self.types.dataclass_fields.bind(value.py()).call1((value,))?;
            Ok(fields.cast_into::<PyTuple>()?)
        })?;
        let depth = self.open(Major::Map, fields.len(), depth)?;
        for field in fields {
            let name = ask(value, || Ok(field.getattr("name")?.cast_into::<PyString>()?))?;
            self.items += 1;
            self.text(&name)?;
            let item = ask(value, || value.getattr(&name))?;
            self.value(&item, depth, Conversion::Allowed).map_err(|fault| fault.at(|| key_step(&name)))?;
        }
        Ok(())
    }

    /// Writes the head of a container and returns the depth of what is in it.
    fn open(&mut self, major: Major, len: usize, depth: usize) -> Result<usize, Fault> {
        if depth == MAX_VALUE_DEPTH {
            return Err(Fault::TooMuch { reason: format!("nested deeper than {MAX_VALUE_DEPTH} levels") });
        }
        write_head(&mut self.out, major, u64::try_from(len).unwrap_or(u64::MAX));
        Ok(depth + 1)
    }

    fn check_room(&self, more: usize) -> Encoded {
        // Early enough that memory stays bounded. Heads are not counted here; `finish` checks the sum.
        if self.out.len().saturating_add(more) > MAX_VALUE_BYTES {
            return Err(Fault::TooMuch { reason: format!("more than {MAX_VALUE_BYTES} bytes") });
        }
        Ok(())
    }
}

/// Runs code of the value. An ordinary exception means that it cannot be sent.
fn ask<T>(value: &Bound<'_, PyAny>, code: impl FnOnce() -> PyResult<T>) -> Result<T, Fault> {
    code().map_err(|raised| {
        let py = value.py();
        if !raised.is_instance_of::<PyException>(py) {
            return Fault::Raised(raised);
        }
        let reason = format!("cannot send {}: {}", with_article(&class_name(value)), shown(py, &raised));
        Fault::Unsendable { path: Vec::new(), reason, cause: Some(raised) }
    })
}

fn shown(py: Python<'_>, raised: &PyErr) -> String {
    let class = raised.get_type(py).name().map_or_else(|_| "exception".to_owned(), |name| name.to_string());
    let text =
        raised.value(py).str().map_or_else(|_| String::new(), |text| text.to_string_lossy().into_owned());
    format!("{class}: {text}")
}

fn cannot_send(value: &Bound<'_, PyAny>) -> Fault {
    Fault::because(format!("cannot send {}", with_article(&class_name(value))))
}

fn changed(container: &Bound<'_, PyAny>) -> Fault {
    Fault::because(format!("cannot send {} that changes meanwhile", with_article(&class_name(container))))
}

fn class_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "object".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn with_article(name: &str) -> String {
    let starts_with_vowel = name.starts_with(['a', 'e', 'i', 'o', 'u', 'A', 'E', 'I', 'O', 'U']);
    format!("{} {name}", if starts_with_vowel { "an" } else { "a" })
}

/// Shows a key as a step of a path.
fn key_step(key: &Bound<'_, PyAny>) -> String {
    match key.cast::<PyString>().ok().and_then(|text| text.to_str().ok()) {
        Some(text) => format!("[{text:?}]"),
        None => {
            key.repr().map_or_else(|_| "[?]".to_owned(), |shown| format!("[{}]", shown.to_string_lossy()))
        }
    }
}

fn write_tag(out: &mut Vec<u8>, tag: u64) {
    write_head(out, Major::Tag, tag);
}

fn write_simple(out: &mut Vec<u8>, value: u64) {
    write_head(out, Major::Simple, value);
}
