//! Tree → typed pipeline, by serde. The shape has been checked; what is still refused here keeps its place.

use std::fmt;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{self, Deserialize, DeserializeSeed, EnumAccess, IntoDeserializer, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::model::Pipeline;
use crate::yaml::{Entry, Key, Node, Problem, Span, Value};

/// The pipeline in a tree.
pub fn pipeline(node: &Node) -> Result<Pipeline, Problem> {
    Pipeline::deserialize(At(node)).map_err(|Refused { message, span }| match span {
        Some(span) => Problem::at(span, message),
        None => Problem::whole(message),
    })
}

/// Why serde refused, and the innermost place where it did.
#[derive(Debug)]
struct Refused {
    message: String,
    span: Option<Span>,
}

impl Refused {
    fn at(mut self, span: Span) -> Refused {
        self.span.get_or_insert(span);
        self
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

impl de::Error for Refused {
    fn custom<T: fmt::Display>(message: T) -> Refused {
        Refused { message: message.to_string(), span: None }
    }
}

/// A value, to serde.
struct At<'de>(&'de Node);

/// A key, to serde.
struct Word<'de>(&'de Key);

impl<'de> IntoDeserializer<'de, Refused> for At<'de> {
    type Deserializer = At<'de>;
    fn into_deserializer(self) -> At<'de> {
        self
    }
}

impl<'de> de::Deserializer<'de> for At<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        let pair = |entry: &'de Entry| (Word(&entry.key), At(&entry.value));
        match &self.0.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(value) => visitor.visit_i64(*value),
            Value::Float(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => SeqDeserializer::new(items.iter().map(At)).deserialize_any(visitor),
            Value::Map(entries) => MapDeserializer::new(entries.iter().map(pair)).deserialize_any(visitor),
        }
        .map_err(|refused| refused.at(self.0.span))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        if self.0.value == Value::Null { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refused> {
        match &self.0.value {
            Value::Text(word) => visitor.visit_enum(word.as_str().into_deserializer()),
            Value::Map(entries) if entries.len() == 1 => visitor.visit_enum(Variant(&entries[0])),
            _ => Err(de::Error::custom("expected one variant")),
        }
        .map_err(|refused: Refused| refused.at(self.0.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Refused> for Word<'de> {
    type Deserializer = Word<'de>;
    fn into_deserializer(self) -> Word<'de> {
        self
    }
}

impl<'de> de::Deserializer<'de> for Word<'de> {
    type Error = Refused;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refused> {
        visitor.visit_borrowed_str(&self.0.text).map_err(|refused: Refused| refused.at(self.0.span))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A variant with its settings: the only entry of a map.
struct Variant<'de>(&'de Entry);

impl<'de> EnumAccess<'de> for Variant<'de> {
    type Error = Refused;
    type Variant = At<'de>;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, At<'de>), Refused> {
        Ok((seed.deserialize(Word(&self.0.key))?, At(&self.0.value)))
    }
}

impl<'de> VariantAccess<'de> for At<'de> {
    type Error = Refused;

    fn unit_variant(self) -> Result<(), Refused> {
        Deserialize::deserialize(self)
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Refused> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refused> {
        de::Deserializer::deserialize_any(self, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, _: &'static [&'static str], visitor: V) -> Result<V::Value, Refused> {
        de::Deserializer::deserialize_any(self, visitor)
    }
}
