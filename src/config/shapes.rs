//! How values are written: as strings that mean something, as one or many of them, or as a word in place of a table.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::site::Switch;

/// The word that switches a setting off.
pub(super) const OFF: &str = "none";

/// A value that is written as a string.
#[derive(Clone, Copy, Debug)]
pub struct Parsed<T>(
    /// What the string means.
    pub T,
);

pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("`{text}`: {error}"))
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parse(&String::deserialize(deserializer)?)
            .map(Self)
            .map_err(de::Error::custom)
    }
}

/// One string or an array of them.
#[derive(Clone, Debug)]
pub struct List<T>(
    /// What they mean, in the order written.
    pub Vec<T>,
);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany<T>(PhantomData<T>);
        impl<'de, T: FromStr<Err: Display>> Visitor<'de> for OneOrMany<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<List<T>, E> {
                Ok(List(vec![parse(text).map_err(E::custom)?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<List<T>, A::Error> {
                let mut list = Vec::new();
                while let Some(Parsed(value)) = items.next_element()? {
                    list.push(value);
                }
                Ok(List(list))
            }
        }
        deserializer.deserialize_any(OneOrMany(PhantomData))
    }
}

/// A table of strings, each key and value of which means something, in the order of its keys.
pub(super) struct Pairs<K, V>(pub(super) Vec<(K, V)>);

impl<'de, K, V> Deserialize<'de> for Pairs<K, V>
where
    K: FromStr<Err: Display>,
    V: FromStr<Err: Display>,
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<K, V>(PhantomData<(K, V)>);
        impl<'de, K, V> Visitor<'de> for Entries<K, V>
        where
            K: FromStr<Err: Display>,
            V: FromStr<Err: Display>,
        {
            type Value = Pairs<K, V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<K, V>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((Parsed(key), Parsed(value))) = map.next_entry()? {
                    pairs.push((key, value));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A setting that is written as a table, as a single string, or as the word that switches it off.
pub(super) struct Switched<K, T> {
    /// What may be written, for an error.
    pub(super) expecting: &'static str,
    /// What a string other than that word means.
    pub(super) word: fn(&str) -> Result<T, String>,
    /// What a table means.
    pub(super) table: fn(K) -> Result<T, String>,
}

impl<'de, K: Deserialize<'de>, T> Switched<K, T> {
    pub(super) fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<Switch<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, K: Deserialize<'de>, T> Visitor<'de> for Switched<K, T> {
    type Value = Switch<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expecting)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Switch<T>, E> {
        match text {
            OFF => Ok(Switch::Off),
            _ => (self.word)(text).map(Switch::On).map_err(E::custom),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Switch<T>, A::Error> {
        let keys = K::deserialize(MapAccessDeserializer::new(map))?;
        (self.table)(keys)
            .map(Switch::On)
            .map_err(de::Error::custom)
    }
}
