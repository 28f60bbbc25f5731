//! What every event payload has in common, and the macro that ties a context's events together.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// The data of one event type.
pub trait EventData: Serialize + DeserializeOwned + JsonSchema {
    /// CloudEvents `type`, e.g. `outcry.listing.published.v1`.
    const TYPE: &'static str;
    /// The Kafka topic that carries it, e.g. `outcry.listing.v1`.
    const TOPIC: &'static str;
    /// Name of the field that holds the aggregate's id, e.g. `listing_id`.
    const KEY_FIELD: &'static str;
    /// The aggregate's id: Kafka key, CloudEvents `subject` and `partitionkey`.
    fn key(&self) -> String;
}

/// Why an event's data could not be read.
#[derive(Debug, thiserror::Error)]
#[error("the data of {event_type} does not fit its contract: {source}")]
pub struct DataError {
    /// The CloudEvents type as it came.
    pub event_type: String,
    /// What serde found.
    pub source: serde_json::Error,
}

/// Declares a context's event enum: encoding, and decoding that tolerates unknown types.
macro_rules! context_events {
    ($(#[$doc:meta])* $name:ident on $topic:literal { $($(#[$vdoc:meta])* $variant:ident($data:ident) = $ty:literal by $key:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum $name { $($(#[$vdoc])* $variant($data)),+ }

        $(impl $crate::event::EventData for $data {
            const TYPE: &'static str = $ty;
            const TOPIC: &'static str = $topic;
            const KEY_FIELD: &'static str = stringify!($key);
            fn key(&self) -> String { self.$key.to_string() }
        })+

        impl $name {
            /// The topic that carries this context's events.
            pub const TOPIC: &'static str = $topic;

            /// CloudEvents `type` of every event of this context.
            pub const TYPES: &'static [&'static str] = &[$($ty),+];

            /// CloudEvents `type` of this event.
            #[must_use]
            pub fn event_type(&self) -> &'static str {
                match self { $(Self::$variant(_) => $ty),+ }
            }

            /// The aggregate's id: Kafka key, `subject` and `partitionkey`.
            #[must_use]
            pub fn key(&self) -> String {
                match self { $(Self::$variant(data) => $crate::event::EventData::key(data)),+ }
            }

            /// The event's data as JSON.
            ///
            /// # Errors
            /// Only if a value cannot be represented in JSON, which no contract type allows.
            pub fn to_data(&self) -> Result<serde_json::Value, serde_json::Error> {
                match self { $(Self::$variant(data) => serde_json::to_value(data)),+ }
            }

            /// Reads an event; `Ok(None)` for a type this version does not know (to be skipped).
            ///
            /// # Errors
            /// [`DataError`](crate::event::DataError) when the type is known and the data does not fit it.
            pub fn decode(event_type: &str, data: &[u8]) -> Result<Option<Self>, $crate::event::DataError> {
                match event_type {
                    $($ty => serde_json::from_slice(data).map(|data| Some(Self::$variant(data))),)+
                    _ => Ok(None),
                }
                .map_err(|source| $crate::event::DataError { event_type: event_type.to_owned(), source })
            }
        }

        $(impl From<$data> for $name { fn from(data: $data) -> Self { Self::$variant(data) } })+
    };
}
pub(crate) use context_events;
