//! Server-sent events as they come off the wire, in whatever pieces (WHATWG HTML §9.2, as far as the API uses it).

use bytes::{Bytes, BytesMut};

/// An event of an auction's stream.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// Its `id`.
    pub sequence: u64,
    /// JSON.
    pub data: Bytes,
}

/// Puts pieces together.
#[derive(Default)]
pub struct Events {
    rest: BytesMut,
    sequence: Option<u64>,
    data: Bytes,
}

impl Events {
    /// The events that are complete with this piece.
    pub fn feed(&mut self, piece: &[u8]) -> Vec<Event> {
        self.rest.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.rest.iter().position(|&byte| byte == b'\n') {
            let line = self.rest.split_to(end + 1).freeze();
            let line = line.slice(..end - usize::from(line[..end].ends_with(b"\r")));
            if line.is_empty() {
                let data = std::mem::take(&mut self.data);
                if let Some(sequence) = self.sequence.take() {
                    events.push(Event { sequence, data });
                }
            } else if let Some(id) = value(&line, b"id:") {
                self.sequence = std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok());
            } else if let Some(data) = value(&line, b"data:") {
                self.data = data;
            }
        }
        events
    }
}

fn value(line: &Bytes, field: &[u8]) -> Option<Bytes> {
    let value = line.strip_prefix(field)?;
    let value = value.strip_prefix(b" ").unwrap_or(value);
    Some(line.slice(line.len() - value.len()..))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_in_whatever_pieces_they_come() {
        let wire = b": keep-alive\n\nid: 7\nevent: bid.placed\ndata: {\"price\":1}\n\nretry: 1000\n\nid:8\r\ndata:{}\r\n\r\nid: 9\n";
        let expected =
            vec![Event { sequence: 7, data: r#"{"price":1}"#.into() }, Event { sequence: 8, data: "{}".into() }];
        for size in [1, 2, 3, 7, wire.len()] {
            let mut events = Events::default();
            let got: Vec<Event> = wire.chunks(size).flat_map(|piece| events.feed(piece)).collect();
            assert_eq!(got, expected, "in pieces of {size}");
        }
    }
}
