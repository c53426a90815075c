//! CBOR to Python values. All input is guest-controlled.

use std::collections::HashMap;

use hypercell_host::abi::RawValue;
use hypercell_host::abi::WireError;
use hypercell_host::abi::cbor::{Head, Major, payload, read_head, text_payload};
use hypercell_host::abi::value::{
    SIMPLE_FALSE, SIMPLE_TRUE, TAG_BIGNUM, TAG_DATE, TAG_DATETIME, TAG_DECIMAL, TAG_FROZENSET,
    TAG_NEGATIVE_BIGNUM, TAG_SET, TAG_TIME, TAG_TIMEDELTA, TAG_TUPLE, TAG_UUID,
};
use hypercell_host::error::ProtocolError;
use pyo3::exceptions::{PyException, PyMemoryError};
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PySet, PyString, PyTuple, PyType,
};

use super::types::Types;
use crate::error;

/// Keys of one dict or set that may have the same hash. Guests can make millions (n and n + 2^61 - 1 have one), and
/// each further one would be compared with all before.
const MAX_EQUAL_HASHES: u32 = 256;

/// Why bytes were not decoded.
enum DecodeFault {
    /// They are no value: the guest's fault.
    Malformed(ProtocolError),
    /// The host has no memory left, or somebody pressed Ctrl-C.
    Raised(PyErr),
}

/// Decodes a value whose structure was checked; errors call it `what`.
///
/// # Errors
///
/// `ProtocolError`; `MemoryError` or `KeyboardInterrupt` of this process.
pub(crate) fn decode<'py>(py: Python<'py>, bytes: &[u8], what: &'static str) -> PyResult<Bound<'py, PyAny>> {
    let decoded = Types::get(py).map_err(DecodeFault::Raised).and_then(|types| {
        let mut decoder = Decoder { py, types, bytes, offset: 0, what };
        decoder.item()
    });
    decoded.map_err(|fault| match fault {
        DecodeFault::Malformed(malformed) => error::raise(py, malformed.into()),
        DecodeFault::Raised(raised) => raised,
    })
}

/// Checks and decodes any bytes.
///
/// # Errors
///
/// `ProtocolError`.
pub(crate) fn decode_checked<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    let checked =
        RawValue::new(bytes).map_err(|source| error::raise(py, ProtocolError::from(source).into()))?;
    decode(py, checked.as_bytes(), "a value")
}

impl From<WireError> for DecodeFault {
    fn from(source: WireError) -> Self {
        Self::Malformed(source.into())
    }
}

struct Decoder<'py, 'a> {
    py: Python<'py>,
    types: &'static Types,
    bytes: &'a [u8],
    offset: usize,
    what: &'static str,
}

impl<'py> Decoder<'py, '_> {
    /// Decodes one item. Recursion is bounded by the depth that was checked.
    fn item(&mut self) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let head = self.head()?;
        let py = self.py;
        match head.major {
            Major::Uint => self.made(head.arg.into_pyobject(py).map_err(PyErr::from)).map(Bound::into_any),
            Major::NegInt => self.negative(head.arg),
            Major::Bytes => Ok(PyBytes::new(py, self.payload(head.arg)?).into_any()),
            Major::Text => Ok(self.text(head.arg)?.into_any()),
            Major::Array => {
                let items = self.items(head.arg)?;
                self.made(PyList::new(py, items)).map(Bound::into_any)
            }
            Major::Map => self.dict(head.arg),
            Major::Tag => self.tagged(head.arg),
            Major::Simple => Ok(match head.float_bits() {
                Some((width, bits)) => PyFloat::new(py, float_of(width, bits)).into_any(),
                None if head.arg == SIMPLE_TRUE => PyBool::new(py, true).to_owned().into_any(),
                None if head.arg == SIMPLE_FALSE => PyBool::new(py, false).to_owned().into_any(),
                None => py.None().into_bound(py),
            }),
        }
    }

    fn head(&mut self) -> Result<Head, DecodeFault> {
        let (head, next) = read_head(self.bytes, self.offset)?;
        self.offset = next;
        Ok(head)
    }

    fn payload(&mut self, len: u64) -> Result<&[u8], DecodeFault> {
        let (bytes, next) = payload(self.bytes, self.offset, len)?;
        self.offset = next;
        Ok(bytes)
    }

    fn text(&mut self, len: u64) -> Result<Bound<'py, PyString>, DecodeFault> {
        let (text, next) = text_payload(self.bytes, self.offset, len)?;
        self.offset = next;
        Ok(PyString::new(self.py, text))
    }

    /// Takes the head that a tag is for.
    fn expect(&mut self, major: Major) -> Result<u64, DecodeFault> {
        let offset = self.offset;
        let head = self.head()?;
        if head.major == major { Ok(head.arg) } else { Err(WireError::Malformed { offset }.into()) }
    }

    fn negative(&self, arg: u64) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let value = match i64::try_from(arg) {
            Ok(small) => (!small).into_pyobject(self.py),
            Err(_) => (-1 - i128::from(arg)).into_pyobject(self.py),
        };
        self.made(value.map_err(PyErr::from)).map(Bound::into_any)
    }

    fn items(&mut self, count: u64) -> Result<Vec<Bound<'py, PyAny>>, DecodeFault> {
        // No capacity is taken from the claim.
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(self.item()?);
        }
        Ok(items)
    }

    fn dict(&mut self, count: u64) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let dict = PyDict::new(self.py);
        let mut hashes = HashCount::new(count);
        for n in 0..count {
            let key = self.item()?;
            hashes.add(self, &key)?;
            let value = self.item()?;
            self.made(dict.set_item(&key, value))?;
            if u64::try_from(dict.len()).is_ok_and(|len| len != n + 1) {
                return Err(self.malformed("a key occurs twice"));
            }
        }
        Ok(dict.into_any())
    }

    fn elements(&mut self) -> Result<Bound<'py, PySet>, DecodeFault> {
        let count = self.expect(Major::Array)?;
        let set = self.made(PySet::empty(self.py))?;
        let mut hashes = HashCount::new(count);
        for n in 0..count {
            let element = self.item()?;
            hashes.add(self, &element)?;
            self.made(set.add(element))?;
            if u64::try_from(set.len()).is_ok_and(|len| len != n + 1) {
                return Err(self.malformed("an element occurs twice"));
            }
        }
        Ok(set)
    }

    fn tagged(&mut self, tag: u64) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let py = self.py;
        match tag {
            TAG_TUPLE => {
                let count = self.expect(Major::Array)?;
                let items = self.items(count)?;
                self.made(PyTuple::new(py, items)).map(Bound::into_any)
            }
            TAG_SET => self.elements().map(Bound::into_any),
            TAG_FROZENSET => {
                let set = self.elements()?;
                self.made(py.get_type::<PyFrozenSet>().call1((set,)))
            }
            TAG_BIGNUM | TAG_NEGATIVE_BIGNUM => self.big_int(tag),
            TAG_UUID => {
                let len = self.expect(Major::Bytes)?;
                let bytes = PyBytes::new(py, self.payload(len)?);
                let keywords = PyDict::new(py);
                self.made(keywords.set_item("bytes", bytes))?;
                self.made(self.types.uuid.bind(py).call((), Some(&keywords)))
            }
            TAG_TIMEDELTA => self.timedelta(),
            TAG_DECIMAL => {
                let len = self.expect(Major::Text)?;
                let text = self.text(len)?;
                self.made(self.types.decimal.bind(py).call1((text,)))
            }
            TAG_DATETIME => self.instant(&self.types.datetime),
            TAG_DATE => self.instant(&self.types.date),
            TAG_TIME => self.instant(&self.types.time),
            _ => Err(self.malformed(&format!("tag {tag}"))),
        }
    }

    fn big_int(&mut self, tag: u64) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let py = self.py;
        let len = self.expect(Major::Bytes)?;
        let bytes = PyBytes::new(py, self.payload(len)?);
        let magnitude = self.made(self.types.int_from_bytes.bind(py).call1((bytes, "big")))?;
        if tag == TAG_BIGNUM {
            return Ok(magnitude);
        }
        self.made(self.types.int_invert.bind(py).call1((magnitude,)))
    }

    fn timedelta(&mut self) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let count = self.expect(Major::Array)?;
        let parts = self.items(count)?;
        if parts.len() != 3 || parts.iter().any(|part| !part.is_exact_instance_of::<PyInt>()) {
            return Err(self.malformed("a timedelta of something else than three integers"));
        }
        let parts = self.made(PyTuple::new(self.py, parts))?;
        self.made(self.types.timedelta.bind(self.py).call1(parts))
    }

    fn instant(&mut self, class: &Py<PyType>) -> Result<Bound<'py, PyAny>, DecodeFault> {
        let len = self.expect(Major::Text)?;
        let text = self.text(len)?;
        self.made(class.bind(self.py).call_method1("fromisoformat", (text,)))
    }

    /// Takes what Python made, or says that the guest sent what Python cannot make anything of.
    fn made<T>(&self, made: PyResult<T>) -> Result<T, DecodeFault> {
        made.map_err(|raised| {
            let py = self.py;
            if raised.is_instance_of::<PyMemoryError>(py) || !raised.is_instance_of::<PyException>(py) {
                return DecodeFault::Raised(raised);
            }
            self.malformed(&raised.to_string())
        })
    }

    fn malformed(&self, why: &str) -> DecodeFault {
        let detail = format!("{why}, before byte {}", self.offset);
        DecodeFault::Malformed(ProtocolError::Value { what: self.what, detail })
    }
}

/// Counts equal hashes in one dict or set.
struct HashCount(Option<HashMap<isize, u32>>);

impl HashCount {
    fn new(count: u64) -> Self {
        Self((count > MAX_EQUAL_HASHES.into()).then(HashMap::new))
    }

    fn add(&mut self, decoder: &Decoder<'_, '_>, key: &Bound<'_, PyAny>) -> Result<(), DecodeFault> {
        let Some(counts) = &mut self.0 else { return Ok(()) };
        // The hashes of these are keyed with a secret of this process.
        if key.is_exact_instance_of::<PyString>() || key.is_exact_instance_of::<PyBytes>() {
            return Ok(());
        }
        let hash = decoder.made(key.hash())?;
        let count = counts.entry(hash).or_default();
        *count += 1;
        if *count > MAX_EQUAL_HASHES {
            return Err(decoder.malformed(&format!("more than {MAX_EQUAL_HASHES} keys of one hash")));
        }
        Ok(())
    }
}

/// Widens a float of 16, 32 or 64 bits.
fn float_of(width: u32, bits: u64) -> f64 {
    match width {
        16 => half_to_f64(u16::try_from(bits).unwrap_or_default()),
        32 => f64::from(f32::from_bits(u32::try_from(bits).unwrap_or_default())),
        _ => f64::from_bits(bits),
    }
}

/// Widens a float of 16 bits (RFC 8949, appendix D).
fn half_to_f64(bits: u16) -> f64 {
    let exponent = i32::from(bits >> 10 & 0x1f);
    let fraction = f64::from(bits & 0x3ff);
    let magnitude = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1024.0) * 2_f64.powi(exponent - 25),
    };
    if bits & 0x8000 == 0 { magnitude } else { -magnitude }
}
