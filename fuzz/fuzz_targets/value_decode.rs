//! Values: nothing panics, a value is exactly the bytes that were checked, and its parts are values too.
#![no_main]

use hypercell_abi::limits::{MAX_VALUE_BYTES, MAX_VALUE_ITEMS};
use hypercell_abi::value::value_len;
use hypercell_abi::{NamedValues, RawValue};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match value_len(data) {
        Ok(len) => {
            assert!(len > 0 && len <= data.len() && len <= MAX_VALUE_BYTES);
            let value = RawValue::new(&data[..len]).expect("the value alone is one value");
            assert_eq!(value.as_bytes(), &data[..len]);
            assert!((1..=MAX_VALUE_ITEMS.min(len)).contains(&value.item_count()));
            assert_eq!(RawValue::new(data).is_ok(), len == data.len());
            assert!(RawValue::new(&data[..len - 1]).is_err(), "a value cut by one byte is a value");
            if let Ok(named) = NamedValues::from_value(value) {
                let pairs: Vec<_> = named.iter().collect();
                assert_eq!(pairs.len(), named.len());
                for (_, one) in &pairs {
                    RawValue::new(one.as_bytes()).expect("a named value is a value");
                }
                let encoded = NamedValues::encode(&pairs);
                let again = NamedValues::new(&encoded).expect("encoded names decode");
                assert!(again.iter().eq(pairs));
            }
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert!(RawValue::new(data).is_err());
        }
    }
});
