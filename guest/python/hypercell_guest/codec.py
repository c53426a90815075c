"""Values as bytes and back: the CBOR of docs/abi.md, section Values.

Guarantees: what `encode` returns is one item that the host accepts, within the limits below; a value that cannot be
sent is an error that names where in the value it is. It must never change the value, and it asks an object of the
program for nothing but its contents, so that a strange object is an error at its place and no more.

Before: bootstrap, channel, runner, streams, tools, warm. After: the host's crates/abi/src/value.rs checks the bytes.
"""

import builtins
from importlib import import_module
from struct import Struct
from struct import error as struct_error
from sys import modules

# Functions look built-in names up here (language reference, 4.2.2): the program may replace or delete those of all.
__builtins__ = dict(vars(builtins))

MAX_VALUE_BYTES = 16 * 1024 * 1024
MAX_VALUE_DEPTH = 64
MAX_VALUE_ITEMS = 1_000_000
MAX_INT_BYTES = 65536

_MAX_PATH_PARTS = 10
_MAX_KEY_CHARS = 40
_MAX_REASON_CHARS = 300

_UINT, _NEGINT, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = (major << 5 for major in range(8))

# A tag's head stands right before the item it is for.
_TAG_BIGNUM = b"\xc2"
_TAG_NEGATIVE_BIGNUM = b"\xc3"
_TAG_UUID = b"\xd8\x25"
_TAG_SET = b"\xd9\x01\x02"
_TAG_DATE = b"\xd9\x03\xec"
_TAG_TUPLE = b"\xd9\xbb\x80"
_TAG_TIME = b"\xd9\xbb\x81"
_TAG_TIMEDELTA = b"\xd9\xbb\x82"
_TAG_DECIMAL = b"\xd9\xbb\x83"
_TAG_FROZENSET = b"\xd9\xbb\x84"
_TAG_DATETIME = b"\xd9\xbb\x85"

_HEAD8 = Struct(">BB").pack
_HEAD16 = Struct(">BH").pack
_HEAD32 = Struct(">BI").pack
_HEAD64 = Struct(">BQ").pack
_FLOAT = Struct(">Bd").pack
_READ16 = Struct(">H").unpack_from
_READ32 = Struct(">I").unpack_from
_READ64 = Struct(">Q").unpack_from
_READ_FLOATS = {25: Struct(">e").unpack_from, 26: Struct(">f").unpack_from, 27: Struct(">d").unpack_from}

_ALL = slice(None)
_name_of = type.__dict__["__name__"].__get__  # a metaclass may define its own


class ValueNotSendableError(TypeError):
    """A value that cannot leave the sandbox. The message starts with where in the value: `result["rows"][3]: ...`."""


class _UnsendableError(Exception):
    """On its way up to `encode`; each container it passes adds where it was."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason
        self.parts = []


class _TooLargeError(Exception):
    """The whole is too large, whatever item the limit was met at."""


class _Output(bytearray):
    """The bytes so far, and what is left of the limits."""

    __slots__ = ("depth", "items_left", "max_bytes")


def encode(value, path="result", max_bytes=MAX_VALUE_BYTES):
    """Encode `value`, called `path` in errors, in at most `max_bytes` bytes.

    Raises:
        ValueNotSendableError: the value, or something in it, cannot be sent.
    """
    return encode_counted(value, path, max_bytes)[0]


def encode_counted(value, path="result", max_bytes=MAX_VALUE_BYTES):
    """Encode as `encode` does; return the bytes, and how many items they are."""
    out = _Output()
    out.depth = 0
    out.items_left = MAX_VALUE_ITEMS - 1
    out.max_bytes = max_bytes
    try:
        _encoder_of(type(value), _other)(value, out)
        if len(out) > max_bytes:
            _too_many_bytes(out)
    except _UnsendableError as error:
        message = f"{path}{_path(error.parts)}: {error.reason}"
    except _TooLargeError as error:
        message = f"{path}: {error.args[0]}"
    else:
        return bytes(out), MAX_VALUE_ITEMS - out.items_left
    raise ValueNotSendableError(message)


def decode(data, offset=0):
    """Decode the one item that `data` holds from `offset` to its end: a value, or the body of a frame.

    The host checks sizes before it sends, so only depth is limited here, to keep the stack from running out.

    Raises:
        ValueError: the bytes are not one item, or have no Python value.
    """
    if type(data) is not bytes:
        data = memoryview(data).tobytes()
    try:
        value, end = _item(data, offset, 0)
    except (IndexError, struct_error):
        raise ValueError("the data ends within an item") from None
    except KeyError:
        raise ValueError("a simple value that is not False, True, None or a float") from None
    except (TypeError, ArithmeticError, AttributeError) as error:
        raise ValueError(f"bad value: {_describe(error)}") from None
    if end != len(data):
        raise ValueError(f"{len(data) - end} bytes follow the item")
    return value


# Encoders. Each writes a value of exactly its type, so that no method of the program is called.


def _head(out, major, number):
    if number < 24:
        out.append(major | number)
    elif number < 0x100:
        out += _HEAD8(major | 24, number)
    elif number < 0x1_0000:
        out += _HEAD16(major | 25, number)
    elif number < 0x1_0000_0000:
        out += _HEAD32(major | 26, number)
    else:
        out += _HEAD64(major | 27, number)


def _none(_value, out):
    out.append(0xF6)


def _bool(value, out):
    out.append(0xF5 if value else 0xF4)


def _int(value, out):
    if 0 <= value < 24:
        out.append(value)
    elif -0x1_0000_0000_0000_0000 <= value < 0x1_0000_0000_0000_0000:
        if value >= 0:
            _head(out, _UINT, value)
        else:
            _head(out, _NEGINT, -1 - value)
    else:
        tag = _TAG_BIGNUM
        if value < 0:
            tag = _TAG_NEGATIVE_BIGNUM
            value = -1 - value
        size = (value.bit_length() + 7) // 8
        if size > MAX_INT_BYTES:
            raise _UnsendableError(f"cannot send an int of {size} bytes (limit: {MAX_INT_BYTES})")
        out += tag
        _bytes(int.to_bytes(value, size, "big"), out)


def _float(value, out):
    out += _FLOAT(0xFB, value)


def _str(value, out):
    try:
        data = value.encode()
    except UnicodeEncodeError as error:
        surrogate = value[error.start]
        raise _UnsendableError(
            f"cannot send a str with a lone surrogate ({surrogate!r} at {error.start})"
        ) from None
    size = len(data)
    if size < 24:
        out.append(0x60 | size)
    else:
        if len(out) + size > out.max_bytes:
            _too_many_bytes(out)
        _head(out, _TEXT, size)
    out += data


def _bytes(value, out):
    size = len(value)
    if len(out) + size > out.max_bytes:
        _too_many_bytes(out)
    _head(out, _BYTES, size)
    out += value


def _list(value, out):
    # A copy: another thread, or an object further in, may change the list after its length has been written.
    _array(value[_ALL], out)


def _tuple(value, out):
    out += _TAG_TUPLE
    _array(value, out)


def _array(items, out):
    _open(out, _ARRAY, len(items), len(items))
    try:
        for item in items:
            _encoder_of(type(item), _other)(item, out)
    except _UnsendableError as error:
        # An equal object would have failed before, so the first place is the place.
        error.parts.append(f"[{_index(items, item)}]")
        raise
    out.depth -= 1


def _set(value, out):
    out += _TAG_SET
    _elements(value, out)


def _frozenset(value, out):
    out += _TAG_FROZENSET
    _elements(value, out)


def _elements(value, out):
    elements = list(value)
    if not _is_plain_key(map(type, elements)):
        elements = _plain_keys(elements, ", element ")
    _open(out, _ARRAY, len(elements), len(elements))
    try:
        for element in elements:
            _encoder_of(type(element), _other)(element, out)
    except _UnsendableError as error:
        error.parts.append(", element " + _key_text(element))
        raise
    out.depth -= 1


def _dict(value, out):
    value = value.copy()
    if not _is_plain_key(map(type, value)):
        value = dict(zip(_plain_keys(list(value), ", key "), value.values(), strict=True))
    _open(out, _MAP, len(value), 2 * len(value))
    in_key = True
    try:
        for key, item in value.items():
            in_key = True
            _encoder_of(type(key), _other)(key, out)
            in_key = False
            _encoder_of(type(item), _other)(item, out)
    except _UnsendableError as error:
        error.parts.append(", key " + _key_text(key) if in_key else f"[{_key_text(key)}]")
        raise
    out.depth -= 1


def _open(out, major, count, items):
    """Write the head of an array or map, one level down."""
    if out.depth >= MAX_VALUE_DEPTH:
        raise _UnsendableError(f"nested deeper than {MAX_VALUE_DEPTH} levels")
    out.depth += 1
    out.items_left -= items
    if out.items_left < 0:
        raise _TooLargeError(f"more than {MAX_VALUE_ITEMS} items")
    if len(out) > out.max_bytes:
        _too_many_bytes(out)
    _head(out, major, count)


def _too_many_bytes(out):
    raise _TooLargeError(f"more than {out.max_bytes} bytes")


def _tagged_text(tag, text, out):
    out += tag
    _str(text, out)


def _date(value, out):
    _tagged_text(_TAG_DATE, value.isoformat(), out)


def _datetime(value, out):
    _tagged_text(_TAG_DATETIME, _ask(value, _isoformat), out)


def _time(value, out):
    _tagged_text(_TAG_TIME, _ask(value, _isoformat), out)


def _isoformat(value):
    return value.isoformat()  # asks its tzinfo, a class that the program may write


def _timedelta(value, out):
    out += _TAG_TIMEDELTA
    _array((value.days, value.seconds, value.microseconds), out)


def _decimal(value, out):
    _tagged_text(_TAG_DECIMAL, str(value), out)


def _uuid(value, out):
    out += _TAG_UUID
    _bytes(_ask(value, _uuid_bytes), out)


def _uuid_bytes(value):
    return int.to_bytes(value.int, 16, "big")


_ENCODERS = {
    type(None): _none,
    bool: _bool,
    int: _int,
    float: _float,
    str: _str,
    bytes: _bytes,
    list: _list,
    tuple: _tuple,
    dict: _dict,
    set: _set,
    frozenset: _frozenset,
}
_encoder_of = _ENCODERS.get

# Types that are sent as they are when they are keys.
_is_plain_key = frozenset((type(None), bool, int, float, str, bytes)).issuperset


# All other types.


def _rebuild_text(base, value):
    # pandas' NaT is a datetime too, and without a date.
    if value != value:
        raise _cannot_send(value)
    return base.fromisoformat(base.isoformat(value))


def _rebuild_timedelta(base, value):
    if value != value:
        raise _cannot_send(value)
    return base(days=value.days, seconds=value.seconds, microseconds=value.microseconds)


# Module, class, encoder, and what makes an instance of the class from one of a subclass. Looked up when such a value
# comes: as long as its module has not been imported there is none. A datetime is a date, so it comes first.
_LIBRARY = (
    ("datetime", "datetime", _datetime, _rebuild_text),
    ("datetime", "date", _date, _rebuild_text),
    ("datetime", "time", _time, _rebuild_text),
    ("datetime", "timedelta", _timedelta, _rebuild_timedelta),
    ("decimal", "Decimal", _decimal, lambda base, value: base(value)),
    ("uuid", "UUID", _uuid, lambda base, value: base(int=value.int)),
)

# What the methods of these classes return is exactly of these classes, whatever the subclass defines.
_BUILTINS = (
    (int, int.__int__),
    (str, str.__str__),
    (float, float.__float__),
    (bytes, lambda value: memoryview(value).tobytes()),
    (bytearray, lambda value: memoryview(value).tobytes()),
    (memoryview, memoryview.tobytes),
    (list, lambda value: list.__getitem__(value, _ALL)),
    (tuple, lambda value: tuple.__getitem__(value, _ALL)),
    (dict, dict),  # asks the subclass for its order: OrderedDict has its own
    (set, set),
    (frozenset, lambda value: frozenset(set(value))),
)


def _other(value, out):
    plain = _plain(value)
    _ENCODERS[type(plain)](plain, out)


def _plain(value):
    """Return what `value` is sent as: a value of a type that has an encoder."""
    plain = value
    for _ in range(4):  # an array of one, of an enum, of ...: but an object may also return itself
        if type(plain) in _ENCODERS:
            return plain
        plain = _ask(plain, _step)
    raise _cannot_send(value)


def _ask(value, question):
    """Call `question`, which may call methods of the program: whatever they raise is why it cannot be sent."""
    try:
        return question(value)
    except (MemoryError, _TooLargeError, _UnsendableError):
        raise
    except Exception as error:
        raise _cannot_send(value, error) from None


def _step(value):
    kind = type(value)
    is_enum = _is_instance_of(kind, "enum", "Enum")
    for base, convert in _BUILTINS:
        if issubclass(kind, base):
            return convert(value)
    if is_enum:
        raise _cannot_send(value, "send its value or its name")
    for module, name, encoder, rebuild in _LIBRARY:
        base = getattr(modules.get(module), name, None)
        if kind is base:
            _ENCODERS[kind] = encoder
            return value
        if _is_instance_of(kind, module, name):
            return rebuild(base, value)
    if "dataclasses" in modules and getattr(kind, "__dataclass_fields__", None) is not None:
        return {field.name: getattr(value, field.name) for field in modules["dataclasses"].fields(kind)}
    if "pydantic" in modules and callable(getattr(kind, "model_dump", None)):
        return value.model_dump()
    if _is_instance_of(kind, "numpy", "generic"):
        return value.item()
    if _is_instance_of(kind, "numpy", "ndarray"):
        if value.size > MAX_VALUE_ITEMS:  # before a list of all of them is made
            raise _TooLargeError(f"more than {MAX_VALUE_ITEMS} items")
        return value.tolist()
    raise _cannot_send(value)


def _is_instance_of(kind, module, name):
    base = getattr(modules.get(module), name, None)
    return base is not None and issubclass(kind, base)


def _plain_keys(keys, part):
    """Return the keys of a dict, or the elements of a set, as what they are sent as; they must still be distinct."""
    plain = []
    for key in keys:
        try:
            plain.append(_plain_key(key, MAX_VALUE_DEPTH))
        except _UnsendableError as error:
            error.parts.append(part + _key_text(key))
            raise
    if len(_ask(plain, set)) != len(keys):
        raise _UnsendableError("two keys or elements are the same once they are sent")
    return plain


def _plain_key(key, levels):
    plain = _plain(key)
    kind = type(plain)
    if kind is tuple or kind is frozenset:
        if not levels:
            raise _UnsendableError(f"nested deeper than {MAX_VALUE_DEPTH} levels")
        return kind([_plain_key(element, levels - 1) for element in plain])
    if kind is list or kind is dict or kind is set:
        raise _cannot_send(key, f"as a key or element: it is sent as a {_name(kind)}")
    return plain


# Errors.


def _cannot_send(value, why=None):
    name = _name(type(value))
    article = "an" if name[:1] in "AEIOaeio" else "a"
    reason = f"cannot send {article} {name}"
    if why is not None:
        reason += f": {why if type(why) is str else _describe(why)}"
    return _UnsendableError(reason)


def _name(kind):
    return str.__str__(_name_of(kind))


def _describe(error):
    name = _name(type(error))
    try:
        text = str(error)
    except Exception:  # __str__ may be the program's
        return name
    return f"{name}: {text[:_MAX_REASON_CHARS]}" if text else name


def _index(items, wanted):
    for index, item in enumerate(items):
        if item is wanted:
            return index
    return "?"


def _key_text(key):
    kind = type(key)
    if kind is str:
        text = repr(key if len(key) <= _MAX_KEY_CHARS else key[:_MAX_KEY_CHARS] + "...")
        return text if '"' in text else f'"{text[1:-1]}"'
    if kind is bool or key is None or kind is float or (kind is int and key.bit_length() <= 64):
        return repr(key)
    return f"<{_name(kind)}>"


def _path(parts):
    """Join parts collected from the inside out. The inner ones of a cycle are the same over and over."""
    names = list(reversed(parts))
    if len(names) > _MAX_PATH_PARTS:
        names[_MAX_PATH_PARTS:] = ["..."]
    return "".join(names)


# Decoding.


def _item(data, at, depth):
    """Return the item at `at`, and the offset behind it."""
    first = data[at]
    at += 1
    major = first & 0xE0
    number = first & 0x1F
    if number >= 24:
        if major == _SIMPLE:
            return _READ_FLOATS[number](data, at)[0], at + (2 << (number - 25))
        if number == 24:
            number = data[at]
            at += 1
        elif number == 25:
            (number,) = _READ16(data, at)
            at += 2
        elif number == 26:
            (number,) = _READ32(data, at)
            at += 4
        elif number == 27:
            (number,) = _READ64(data, at)
            at += 8
        else:
            raise ValueError(f"byte {first:#04x} starts no item")
    if major == _TEXT:
        end = at + number
        if end > len(data):
            raise IndexError
        return str(data[at:end], "utf-8"), end
    if major == _UINT:
        return number, at
    if major == _MAP:
        _check_container(data, at, 2 * number, depth)
        result = {}
        for _ in range(number):
            size = data[at] - _TEXT
            if 0 <= size < 24:  # most keys: not worth a call
                end = at + 1 + size
                key = str(data[at + 1 : end], "utf-8")
                at = end
            else:
                key, at = _item(data, at, depth + 1)
            result[key], at = _item(data, at, depth + 1)
        if len(result) != number:
            raise ValueError("a map has the same key twice")
        return result, at
    if major == _ARRAY:
        _check_container(data, at, number, depth)
        result = []
        for _ in range(number):
            item, at = _item(data, at, depth + 1)
            result.append(item)
        return result, at
    if major == _SIMPLE:
        return _SIMPLES[number], at
    if major == _NEGINT:
        return -1 - number, at
    if major == _BYTES:
        end = at + number
        if end > len(data):
            raise IndexError
        return data[at:end], end
    content, build = _TAGS.get(number, _UNKNOWN_TAG)
    if data[at] & 0xE0 != content:
        raise ValueError(f"tag {number} is unknown, or around the wrong kind of item")
    item, at = _item(data, at, depth)
    return build(item), at


#: For `in_flight`, which decodes the items of an array as if each were alone.
decode_item = _item


def _check_container(data, at, items, depth):
    # The body of a frame is a map around values, or around a map of them.
    if depth > MAX_VALUE_DEPTH:
        raise ValueError(f"nested deeper than {MAX_VALUE_DEPTH} levels")
    if items > len(data) - at:
        raise IndexError


def _distinct(kind):
    def build(elements):
        result = kind(elements)
        if len(result) != len(elements):
            raise ValueError("a set has the same element twice")
        return result

    return build


def _library(module, name):
    return getattr(modules.get(module) or import_module(module), name)


def _build_bignum(data):
    if len(data) > MAX_INT_BYTES:
        raise ValueError(f"an int of {len(data)} bytes (limit: {MAX_INT_BYTES})")
    return int.from_bytes(data, "big")


def _build_timedelta(parts):
    days, seconds, microseconds = parts
    if {type(days), type(seconds), type(microseconds)} != {int}:
        raise TypeError("a timedelta is three integers")
    return _library("datetime", "timedelta")(days, seconds, microseconds)


# The only simple values besides floats; an unknown one is a KeyError, which is an error of its own.
_SIMPLES = {20: False, 21: True, 22: None}

# Tag to the kind of item behind it, and what makes the value of that item.
_TAGS = {
    2: (_BYTES, _build_bignum),
    3: (_BYTES, lambda data: -1 - _build_bignum(data)),
    37: (_BYTES, lambda data: _library("uuid", "UUID")(bytes=data)),
    258: (_ARRAY, _distinct(set)),
    1004: (_TEXT, lambda text: _library("datetime", "date").fromisoformat(text)),
    48000: (_ARRAY, tuple),
    48001: (_TEXT, lambda text: _library("datetime", "time").fromisoformat(text)),
    48002: (_ARRAY, _build_timedelta),
    48003: (_TEXT, lambda text: _library("decimal", "Decimal")(text)),
    48004: (_ARRAY, _distinct(frozenset)),
    48005: (_TEXT, lambda text: _library("datetime", "datetime").fromisoformat(text)),
}
_UNKNOWN_TAG = (None, None)
